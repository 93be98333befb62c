//! A12 where the policy changes: what an association remembers is asked again.

use std::net::SocketAddr;

use tokio::net::UdpSocket;
use tower::{Layer, ServiceBuilder};
use tower_socks::{
    AclLayer, Connector, Rules,
    connector::{
        associate::{Associate, Filtering, MakeDirect},
        resolve::Resolve,
    },
    layer::acl::SwapPolicy,
    session::Policy,
};

use crate::support::udp::{
    association::{Association, assert_silent, datagram, socket},
    name,
    policies::hosts,
    stack, within,
};

/// Everything else is refused, since it is special-purpose.
fn opening(to: &str) -> Rules {
    let text = format!("default = \"allow\"\nrules = [{{ action = \"allow\", to = {to} }}]");
    toml::from_str(&text).unwrap()
}

/// Everything else is allowed.
fn denying(to: &str) -> Rules {
    let text = format!(
        "default = \"allow\"\nallow_private = true\nrules = [{{ action = \"deny\", to = {to} }}]"
    );
    toml::from_str(&text).unwrap()
}

async fn judged_on<R: Resolve + Sync>(policy: impl Policy, paths: MakeDirect<R>) -> Association {
    let connector = Connector::direct().with_associate(Associate::with_transports(paths));
    Association::new(stack(AclLayer::new(policy).layer(connector))).await
}

async fn judged(policy: impl Policy) -> Association {
    judged_on(policy, MakeDirect::new().resolver(hosts(&[]).0)).await
}

fn port(socket: &UdpSocket) -> u16 {
    socket.local_addr().unwrap().port()
}

/// Sockets at one port of 127.0.0.1 and of 127.0.0.2.
async fn beside() -> (UdpSocket, UdpSocket) {
    loop {
        let one = socket("127.0.0.1").await;
        if let Ok(two) = UdpSocket::bind(("127.0.0.2", port(&one))).await {
            return (one, two);
        }
    }
}

/// Both are allowed.
const BOTH: &str = "['127.0.0.1', '127.0.0.2']";

/// Where the path's socket for IPv4 is.
async fn source(association: &Association, target: &UdpSocket) -> SocketAddr {
    association.echo(target, b"hello").await
}

#[tokio::test]
async fn an_address_is_judged_again() {
    within(async {
        let (one, two) = (socket("127.0.0.1").await, socket("127.0.0.2").await);
        let policy = SwapPolicy::new(opening("'127.0.0.2'"));
        let association = judged(policy.clone()).await;
        for _ in 0..3 {
            // The last datagram went there, or was dropped.
            association.say(&one, b"lost").await;
            association.echo(&two, b"two").await;
            assert_silent(&one);
            policy.swap(opening(BOTH));
            association.echo(&one, b"one").await;
            association.echo(&one, b"one").await;
            policy.swap(opening("'127.0.0.2'"));
        }
    })
    .await;
}

#[tokio::test]
async fn a_name_is_judged_again() {
    within(async {
        let (one, two) = (socket("127.0.0.1").await, socket("127.0.0.2").await);
        let (resolver, lookups) = hosts(&[("one.example", &["127.0.0.1"])]);
        let to = name("one.example", port(&one));
        for (allowing, forbidding) in [
            // The name and its address, and either of them.
            (opening(BOTH), opening("'127.0.0.2'")),
            (opening(BOTH), denying("'127.0.0.1'")),
            (opening(BOTH), denying("'one.example'")),
            (opening(BOTH), denying("'*.example'")),
            (denying("'other.example'"), opening("'127.0.0.2'")),
        ] {
            let policy = SwapPolicy::new(forbidding.clone());
            let paths = MakeDirect::new().resolver(resolver.clone());
            let association = judged_on(policy.clone(), paths).await;
            for _ in 0..3 {
                association.send(&datagram(0, &to, b"lost")).await;
                association.echo(&two, b"two").await;
                assert_silent(&one);
                // Nobody waits until it is forgotten that there was no address.
                policy.swap(allowing.clone());
                for payload in [&b"one"[..], b"more"] {
                    association.send(&datagram(0, &to, payload)).await;
                    let source = association.reaches(&one, payload).await;
                    one.send_to(b"answer", source).await.unwrap();
                    association.hear(&one, b"answer").await;
                }
                policy.swap(forbidding.clone());
            }
            association.send(&datagram(0, &to, b"lost")).await;
            association.echo(&two, b"two").await;
            lookups.lock().unwrap().clear();
            // Still allowed: it is not looked up again.
            policy.swap(allowing.clone());
            association.send(&datagram(0, &to, b"one")).await;
            association.reaches(&one, b"one").await;
            policy.swap(allowing.clone());
            association.send(&datagram(0, &to, b"two")).await;
            association.reaches(&one, b"two").await;
            assert_eq!(*lookups.lock().unwrap(), ["one.example"]);
        }
    })
    .await;
}

#[tokio::test]
async fn another_address_of_a_name_takes_the_place_of_one_that_is_forbidden() {
    within(async {
        let (one, two) = beside().await;
        let answer: &[&str] = &["127.0.0.1", "127.0.0.2"];
        let (resolver, _) = hosts(&[("both.example", answer)]);
        let policy = SwapPolicy::new(opening(BOTH));
        let paths = MakeDirect::new().resolver(resolver);
        let association = judged_on(policy.clone(), paths).await;
        let to = name("both.example", port(&one));
        association.send(&datagram(0, &to, b"one")).await;
        association.reaches(&one, b"one").await;
        policy.swap(opening("'127.0.0.2'"));
        association.send(&datagram(0, &to, b"two")).await;
        association.reaches(&two, b"two").await;
        assert_silent(&one);
    })
    .await;
}

#[tokio::test]
async fn answers_are_welcome_for_as_long_as_their_source_is_allowed() {
    within(async {
        for filtering in [
            Filtering::AddressDependent,
            Filtering::AddressAndPortDependent,
            Filtering::EndpointIndependent,
        ] {
            let (one, two) = (socket("127.0.0.1").await, socket("127.0.0.2").await);
            let policy = SwapPolicy::new(opening(BOTH));
            let paths = MakeDirect::new().filtering(filtering);
            let association = judged_on(policy.clone(), paths).await;
            let path = source(&association, &one).await;
            source(&association, &two).await;
            for _ in 0..3 {
                // Nothing is sent in between.
                policy.swap(opening("'127.0.0.2'"));
                one.send_to(b"lost", path).await.unwrap();
                two.send_to(b"still welcome", path).await.unwrap();
                association.hear(&two, b"still welcome").await;
                policy.swap(opening(BOTH));
                one.send_to(b"again", path).await.unwrap();
                association.hear(&one, b"again").await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn answers_to_a_name_are_welcome_for_as_long_as_it_is_allowed() {
    within(async {
        let (one, two) = (socket("127.0.0.1").await, socket("127.0.0.2").await);
        let policy = SwapPolicy::new(opening(BOTH));
        let (resolver, _) = hosts(&[("one.example", &["127.0.0.1"])]);
        let paths = MakeDirect::new().resolver(resolver);
        let association = judged_on(policy.clone(), paths).await;
        let path = source(&association, &two).await;
        let to = name("one.example", port(&one));
        association.send(&datagram(0, &to, b"one")).await;
        association.reaches(&one, b"one").await;
        policy.swap(opening("'127.0.0.1'"));
        two.send_to(b"lost", path).await.unwrap();
        one.send_to(b"still welcome", path).await.unwrap();
        association.hear(&one, b"still welcome").await;
        // Leave for the address is none for the name, and nothing was sent to the address.
        policy.swap(denying("'one.example'"));
        one.send_to(b"lost", path).await.unwrap();
        association.echo(&two, b"two").await;
        association.echo(&one, b"one").await;
    })
    .await;
}

#[tokio::test]
async fn answers_are_welcome_by_any_name_that_is_allowed() {
    within(async {
        let (one, two) = (socket("127.0.0.1").await, socket("127.0.0.2").await);
        let host: &[&str] = &["127.0.0.1"];
        let (resolver, _) = hosts(&[("a.example", host), ("b.example", host)]);
        for denied in ["a.example", "b.example"] {
            let policy = SwapPolicy::new(opening(BOTH));
            let paths = MakeDirect::new().resolver(resolver.clone());
            let association = judged_on(policy.clone(), paths).await;
            let path = source(&association, &two).await;
            for host in ["a.example", "b.example"] {
                let to = name(host, port(&one));
                association.send(&datagram(0, &to, b"one")).await;
                association.reaches(&one, b"one").await;
            }
            policy.swap(denying(&format!("'{denied}'")));
            one.send_to(b"still welcome", path).await.unwrap();
            two.send_to(b"behind it", path).await.unwrap();
            association.hear(&one, b"still welcome").await;
            association.hear(&two, b"behind it").await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_swap_of_any_of_several_policies_counts() {
    within(async {
        let (one, two) = (socket("127.0.0.1").await, socket("127.0.0.2").await);
        let policies = [
            SwapPolicy::new(opening(BOTH)),
            SwapPolicy::new(opening(BOTH)),
        ];
        let service = ServiceBuilder::new()
            .layer(AclLayer::new(policies[0].clone()))
            .layer(AclLayer::new(policies[1].clone()))
            .service(Connector::direct());
        let association = Association::new(stack(service)).await;
        for policy in policies.iter().chain(&policies) {
            association.echo(&one, b"one").await;
            policy.swap(opening("'127.0.0.2'"));
            association.say(&one, b"lost").await;
            association.echo(&two, b"two").await;
            policy.swap(opening(BOTH));
        }
        assert_silent(&one);
    })
    .await;
}
