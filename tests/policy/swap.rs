//! A policy that is swapped while requests are in flight.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tower::{Layer, service_fn};
use tower_socks::{
    AclLayer, BoxError, Connector, Refusal, Request, Rules,
    connector::{
        direct::Direct,
        resolve::{Lookup, Resolve},
    },
    layer::acl::SwapPolicy,
    proto::Command,
    session::{Check, Policy},
};

use crate::support::{
    Script, failure,
    udp::{
        ASSOCIATE, BIND, Client, ClientScript, address,
        association::{Association, assert_silent, socket},
        binding::{assert_turned_away, connects, dst, ends_with},
        connect_from, name, stack, within,
    },
};

const CONNECT: u8 = 1;

/// Everything else is refused, since it is special-purpose.
fn opening(to: &str) -> Rules {
    let text = format!("default = \"allow\"\nrules = [{{ action = \"allow\", to = {to} }}]");
    toml::from_str(&text).unwrap()
}

fn nothing() -> Rules {
    toml::from_str("default = \"deny\"").unwrap()
}

/// A client under a policy, right behind its request.
async fn asks(policy: &SwapPolicy<Rules>, command: u8, dst: &[u8]) -> Client {
    let service = AclLayer::new(policy.clone()).layer(Connector::direct());
    let mut client = Client::new(stack(service)).await;
    client.io.request(command, dst).await;
    client
}

/// A resolver for which every name is 127.0.0.1, once there is a permit; and the lookups that have
/// begun.
fn held() -> (impl Resolve + Sync, Arc<Semaphore>, Arc<Semaphore>) {
    let (gate, begun) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (hold, begin) = (Arc::clone(&gate), Arc::clone(&begun));
    let resolver = service_fn(move |_: Lookup| {
        let (hold, begin) = (Arc::clone(&hold), Arc::clone(&begin));
        async move {
            begin.add_permits(1);
            hold.acquire().await?.forget();
            Ok::<_, BoxError>([IpAddr::from([127, 0, 0, 1])])
        }
    });
    (resolver, gate, begun)
}

fn assert_untouched(listener: TcpListener) {
    let listener = listener.into_std().unwrap();
    let error = listener.accept().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn a_swap_during_a_lookup_counts_for_the_addresses() {
    within(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let denying = "default = \"allow\"\nallow_private = true\n\
                       rules = [{ action = \"deny\", to = \"held.example\" }]";
        for (before, after, passes) in [
            (opening("'127.0.0.1'"), nothing(), false),
            (opening("'127.0.0.1'"), opening("'127.0.0.2'"), false),
            // The address would be fine, but not for this name.
            (
                opening("'127.0.0.1'"),
                toml::from_str(denying).unwrap(),
                false,
            ),
            (opening("'127.0.0.2'"), opening("'127.0.0.1'"), true),
            (
                Rules::default(),
                opening("['held.example', '127.0.0.1']"),
                true,
            ),
        ] {
            let policy = SwapPolicy::new(before);
            let (resolver, gate, begun) = held();
            let direct = Direct::new().resolver(resolver);
            let connector = Connector::direct().with_connect(direct);
            let service = AclLayer::new(policy.clone()).layer(connector);
            let mut client = Client::new(stack(service)).await;
            client
                .io
                .request(CONNECT, &name("held.example", port))
                .await;
            begun.acquire().await.unwrap().forget();
            policy.swap(after);
            gate.add_permits(1);
            if passes {
                listener.accept().await.unwrap();
                client.io.bound().await;
            } else {
                client.io.hear(&failure(2)).await;
                client.io.hear_end().await;
            }
        }
        assert_untouched(listener);
    })
    .await;
}

#[tokio::test]
async fn the_next_request_is_judged_by_the_new_policy() {
    within(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dst = address(listener.local_addr().unwrap());
        let policy = SwapPolicy::new(opening("'127.0.0.1'"));
        for _ in 0..3 {
            let mut client = asks(&policy, CONNECT, &dst).await;
            listener.accept().await.unwrap();
            client.io.bound().await;
            policy.swap(Rules::default());
            let mut client = asks(&policy, CONNECT, &dst).await;
            client.io.hear(&failure(2)).await;
            policy.swap(opening("'127.0.0.1'"));
        }
        assert_untouched(listener);
    })
    .await;
}

#[tokio::test]
async fn a_bind_that_waits_is_judged_by_the_new_policy() {
    within(async {
        let policy = SwapPolicy::new(opening("'127.0.0.1'"));
        let mut waiting = asks(&policy, BIND, &dst("127.0.0.1")).await;
        let bound = waiting.io.bound().await;
        policy.swap(opening("'127.0.0.2'"));
        let peer = TcpStream::connect(bound).await.unwrap();
        assert_turned_away(peer).await;
        ends_with(waiting, 2, bound).await;

        // The peer that is allowed now comes, and others do not.
        let mut waiting = asks(&policy, BIND, &dst("0.0.0.0")).await;
        let bound = waiting.io.bound().await;
        let peer = TcpStream::connect(bound).await.unwrap();
        assert_turned_away(peer).await;
        policy.swap(opening("'127.0.0.1'"));
        let peer = connect_from("127.0.0.2", bound).await.unwrap();
        assert_turned_away(peer).await;
        let peer = TcpStream::connect(bound).await.unwrap();
        connects(&mut waiting, peer).await;
    })
    .await;
}

#[tokio::test]
async fn tunnels_go_on_without_a_recheck() {
    within(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let policy = SwapPolicy::new(opening("'127.0.0.1'"));
        let dst_of_listener = address(listener.local_addr().unwrap());
        let mut connected = asks(&policy, CONNECT, &dst_of_listener).await;
        let (mut target, _) = listener.accept().await.unwrap();
        connected.io.bound().await;
        let mut bound = asks(&policy, BIND, &dst("127.0.0.1")).await;
        let peer = bound.io.bound().await;
        let peer = TcpStream::connect(peer).await.unwrap();
        connects(&mut bound, peer).await;
        let zeros = address(([0, 0, 0, 0], 0).into());
        let service = AclLayer::new(policy.clone()).layer(Connector::direct());
        let association = Association::new(stack(service)).await;
        let datagrams = socket("127.0.0.1").await;
        association.echo(&datagrams, b"ping").await;

        policy.swap(nothing());
        policy.recheck();
        connected.io.say(b"still").await;
        target.hear(b"still").await;
        target.say(b"here").await;
        connected.io.hear(b"here").await;
        assert!(!bound.is_over());
        association.say(&datagrams, b"lost").await;
        let mut refused = asks(&policy, ASSOCIATE, &zeros).await;
        refused.io.hear(&failure(2)).await;
        // It is there for what may be sent later.
        policy.swap(opening("'127.0.0.1'"));
        association.echo(&datagrams, b"pong").await;
        assert_silent(&datagrams);
    })
    .await;
}

/// Hands names on, or does not.
struct Names(bool);

impl Policy for Names {
    fn check(&self, _: &Request) -> Result<(), Refusal> {
        Ok(())
    }

    fn check_address(&self, _: &Request, _: SocketAddr) -> Result<(), Refusal> {
        Ok(())
    }

    fn check_name(&self, _: &Request) -> Result<(), Refusal> {
        match self.0 {
            true => Ok(()),
            false => Err(Refusal::not_allowed("names stay here")),
        }
    }
}

#[test]
fn a_name_that_is_handed_on_is_judged_by_the_policy_in_force() {
    let request = Request::new(Command::CONNECT, "example.com:80".parse().unwrap());
    let policy = SwapPolicy::new(Names(false));
    assert!(policy.check_name(&request).is_err());
    policy.swap(Names(true));
    assert!(policy.check_name(&request).is_ok());
    let policy = SwapPolicy::new(|_: &Request, _: Check| Err(Refusal::not_allowed("no")));
    // A closure is asked as well, and has no answer by default.
    assert!(policy.check(&request).is_err() && policy.check_name(&request).is_err());
}
