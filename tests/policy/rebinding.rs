//! Names that change their minds: what was judged is what is dialled, and nothing else.

use std::{io, net::SocketAddr, sync::atomic::Ordering};

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tower::Layer;
use tower_socks::{
    AclLayer, Connector, NoAuth, Rules,
    connector::{direct::Direct, resolve::Resolve},
};

use crate::support::{
    Script, connect_to, failure, greeted, has_ipv6, proxy, resolvers::answering,
    sockets::listener_beside, stack, success, within,
};

/// 127.0.0.1 is as good as public, and every other special-purpose address is not.
fn rules() -> Rules {
    toml::from_str("default = \"allow\"\nrules = [{ action = \"allow\", to = \"127.0.0.1\" }]")
        .unwrap()
}

/// A proxy under these rules.
async fn judging<R: Resolve + Sync>(rules: Rules, resolver: R) -> SocketAddr {
    let direct = Direct::new().resolver(resolver);
    let connector = Connector::direct().with_connect(direct);
    proxy(stack(NoAuth, AclLayer::new(rules).layer(connector))).await
}

/// A client of it, right behind its request for a name.
async fn asks(proxy: SocketAddr, port: u16) -> TcpStream {
    let mut client = greeted(proxy).await;
    client
        .say(&connect_to(&format!("fickle.example:{port}")))
        .await;
    client
}

async fn is_refused(mut client: TcpStream, code: u8) {
    client.hear(&failure(code)).await;
    client.hear_end().await;
}

async fn is_connected(mut client: TcpStream, listener: &TcpListener) {
    let (mut stream, peer) = listener.accept().await.unwrap();
    client.hear(&success(peer)).await;
    stream.say(b"hello").await;
    client.hear(b"hello").await;
}

/// Listeners on one port of 127.0.0.1, which is allowed, and of 127.0.0.2, which is not.
async fn both() -> (TcpListener, TcpListener) {
    let (allowed, mut others) = listener_beside("127.0.0.1", &["127.0.0.2"]).await;
    let forbidden = others.pop().unwrap();
    (allowed, forbidden.listen(8).unwrap())
}

fn port(listener: &TcpListener) -> u16 {
    listener.local_addr().unwrap().port()
}

fn assert_untouched(listener: TcpListener) {
    let listener = listener.into_std().unwrap();
    let error = listener.accept().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn the_address_that_was_judged_is_the_one_that_is_dialled() {
    within(async {
        let (allowed, forbidden) = both().await;
        let (resolver, asked) = answering(&[&["127.0.0.1"], &["127.0.0.2"]]);
        let proxy = judging(rules(), resolver).await;
        // Asked twice in this dial, it would lead to the second one.
        is_connected(asks(proxy, port(&allowed)).await, &allowed).await;
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        // The leave of the first dial is no leave for the next one.
        is_refused(asks(proxy, port(&allowed)).await, 2).await;
        assert_eq!(asked.load(Ordering::SeqCst), 2);
        assert_untouched(forbidden);
        assert_untouched(allowed);
    })
    .await;
}

#[tokio::test]
async fn a_refusal_is_not_remembered_either() {
    within(async {
        let (allowed, forbidden) = both().await;
        let (resolver, asked) = answering(&[&["127.0.0.2"], &["127.0.0.1"]]);
        let proxy = judging(rules(), resolver).await;
        is_refused(asks(proxy, port(&allowed)).await, 2).await;
        is_connected(asks(proxy, port(&allowed)).await, &allowed).await;
        assert_eq!(asked.load(Ordering::SeqCst), 2);
        assert_untouched(forbidden);
    })
    .await;
}

#[tokio::test]
async fn of_a_mixed_answer_only_the_allowed_address_is_dialled() {
    within(async {
        for answer in [
            &["127.0.0.1", "127.0.0.2"][..],
            &["127.0.0.2", "127.0.0.1"],
            &["127.0.0.2", "127.0.0.2", "127.0.0.1", "127.0.0.2"],
            &["::ffff:127.0.0.2", "::ffff:127.0.0.1"],
            &["64:ff9b::127.0.0.2", "127.0.0.2", "127.0.0.1"],
            &["0.0.0.0", "127.0.0.2", "127.0.0.1"],
            &["169.254.169.254", "10.0.0.1", "127.0.0.1", "fd00::1"],
        ] {
            let (allowed, forbidden) = both().await;
            let (resolver, asked) = answering(&[answer]);
            let proxy = judging(rules(), resolver).await;
            is_connected(asks(proxy, port(&allowed)).await, &allowed).await;
            assert_eq!(asked.load(Ordering::SeqCst), 1, "{answer:?}");
            assert_untouched(forbidden);
        }
    })
    .await;
}

#[tokio::test]
async fn of_a_mixed_answer_in_both_families_only_the_allowed_address_is_dialled() {
    if !has_ipv6() {
        return;
    }
    within(async {
        for answer in [["::1", "127.0.0.1"], ["127.0.0.1", "::1"]] {
            let (allowed, mut others) = listener_beside("127.0.0.1", &["::1"]).await;
            let forbidden = others.pop().unwrap().listen(8).unwrap();
            let (resolver, _) = answering(&[&answer]);
            let proxy = judging(rules(), resolver).await;
            is_connected(asks(proxy, port(&allowed)).await, &allowed).await;
            assert_untouched(forbidden);
        }
    })
    .await;
}

#[tokio::test]
async fn a_forbidden_address_is_no_way_around_an_allowed_one_that_refuses() {
    within(async {
        for answer in [["127.0.0.1", "127.0.0.2"], ["127.0.0.2", "127.0.0.1"]] {
            let (forbidden, reserved): (TcpListener, Vec<TcpSocket>) =
                listener_beside("127.0.0.2", &["127.0.0.1"]).await;
            let (resolver, _) = answering(&[&answer]);
            let proxy = judging(rules(), resolver).await;
            is_refused(asks(proxy, port(&forbidden)).await, 5).await;
            drop(reserved);
            assert_untouched(forbidden);
        }
    })
    .await;
}

#[tokio::test]
async fn a_name_with_nothing_but_forbidden_addresses_is_02_at_once() {
    within(async {
        let inside = TcpListener::bind("127.0.0.2:0").await.unwrap();
        for answer in [
            &["127.0.0.2"][..],
            &["::ffff:127.0.0.2"],
            &["64:ff9b::7f00:2"],
            &["2002:7f00:2::1"],
            &["0.0.0.0", "::"],
            &[
                "127.0.0.2",
                "10.0.0.1",
                "192.168.0.1",
                "169.254.169.254",
                "fe80::1",
            ],
            &["127.0.0.2"; 100],
        ] {
            let (resolver, asked) = answering(&[answer]);
            let proxy = judging(rules(), resolver).await;
            is_refused(asks(proxy, port(&inside)).await, 2).await;
            assert_eq!(asked.load(Ordering::SeqCst), 1, "{answer:?}");
        }
        assert_untouched(inside);
    })
    .await;
}

#[tokio::test]
async fn leave_for_a_name_is_no_leave_for_what_is_private() {
    within(async {
        let inside = TcpListener::bind("127.0.0.2:0").await.unwrap();
        for to in [
            "\"fickle.example\"",
            "\"*.example\"",
            "[\"fickle.example\", \"0.0.0.0/0\"]",
        ] {
            let text = format!("default = \"deny\"\nrules = [{{ action = \"allow\", to = {to} }}]");
            let rules = toml::from_str(&text).unwrap();
            let proxy = judging(rules, answering(&[&["127.0.0.2"]]).0).await;
            is_refused(asks(proxy, port(&inside)).await, 2).await;
        }
        // Nor is it where a rule before it denies.
        let rules = toml::from_str(
            r#"
            default = "deny"
            allow_private = true
            rules = [
                { action = "deny", to = "127.0.0.2" },
                { action = "allow", to = "fickle.example" },
            ]
            "#,
        )
        .unwrap();
        let proxy = judging(rules, answering(&[&["127.0.0.2"]]).0).await;
        is_refused(asks(proxy, port(&inside)).await, 2).await;
        assert_untouched(inside);
    })
    .await;
}

#[tokio::test]
async fn a_name_does_not_lead_back_to_the_proxy() {
    within(async {
        // 127.0.0.1 is open as a network, and the proxy's own address is not the less its own.
        let rules = toml::from_str(
            "default = \"deny\"\nrules = [{ action = \"allow\", to = \"127.0.0.0/8\" }]",
        )
        .unwrap();
        let proxy = judging(rules, answering(&[&["127.0.0.1"]]).0).await;
        is_refused(asks(proxy, proxy.port()).await, 2).await;
        let mut client = greeted(proxy).await;
        client.say(&connect_to(&proxy.to_string())).await;
        is_refused(client, 2).await;
    })
    .await;
}
