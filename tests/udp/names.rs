//! A10 and A11: datagrams that cannot go, and names that take their time.

use tokio::net::UdpSocket;
use tower_socks::{
    Connector,
    connector::{
        associate::{Associate, MakeDirect},
        resolve::Resolve,
    },
};

use crate::support::{
    has_ipv6,
    udp::{
        address,
        association::{Association, assert_silent, datagram, socket},
        name, pass,
        policies::{hosts, slow},
        stack, within,
    },
};

/// An association under no policy, for which names are looked up by `resolver`.
async fn resolving(resolver: impl Resolve + Sync) -> Association {
    let paths = MakeDirect::new().resolver(resolver);
    let associate = Associate::with_transports(paths);
    Association::new(stack(Connector::direct().with_associate(associate))).await
}

fn port(socket: &UdpSocket) -> u16 {
    socket.local_addr().unwrap().port()
}

#[tokio::test]
async fn a10_a_datagram_that_cannot_go_is_lost_and_no_other() {
    within(async {
        let (resolver, _) = hosts(&[]);
        let association = resolving(resolver).await;
        let target = socket("127.0.0.1").await;
        // At an address of its own, where nobody takes the port meanwhile.
        let closed = socket("127.0.0.78").await;
        let closed_port = address(closed.local_addr().unwrap());
        drop(closed);
        for lost in [
            closed_port.clone(),
            closed_port,
            // No such network, and a network as a whole.
            address("0.0.0.1:9".parse().unwrap()),
            address("127.255.255.255:9".parse().unwrap()),
            address("[::ffff:127.255.255.255]:9".parse().unwrap()),
            name("nowhere.example", 9),
            name("127.0.0.999", 9),
        ] {
            // Alone, and among others that go by the same call.
            for batch in [1, 10] {
                for _ in 0..batch {
                    association.send(&datagram(0, &lost, b"lost")).await;
                }
                association.say(&target, b"first").await;
                association.send(&datagram(0, &lost, b"lost")).await;
                association.reaches(&target, b"first").await;
                association.echo(&target, b"second").await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a10_names_that_do_not_resolve_do_not_disturb() {
    within(async {
        let (resolver, lookups) = hosts(&[("empty.example", &[])]);
        let association = resolving(resolver).await;
        let target = socket("127.0.0.1").await;
        for host in ["nowhere.example", "empty.example"] {
            for _ in 0..3 {
                association
                    .send(&datagram(0, &name(host, 9), b"lost"))
                    .await;
                association.echo(&target, b"ping").await;
            }
        }
        // The lack of an answer is remembered for a while.
        assert_eq!(lookups.lock().unwrap().len(), 2);
        pass(6).await;
        let again = datagram(0, &name("nowhere.example", 9), b"lost");
        association.send(&again).await;
        association.echo(&target, b"ping").await;
        assert_eq!(lookups.lock().unwrap().len(), 3);
    })
    .await;
}

#[tokio::test]
async fn a11_a_slow_lookup_holds_up_its_own_datagrams_only() {
    within(async {
        let (resolver, gate) = slow();
        let association = resolving(resolver).await;
        let (target, other) = (socket("127.0.0.1").await, socket("127.0.0.1").await);
        let slow = name("slow.example", port(&target));
        let quick = name("host.example", port(&other));
        for payload in [&b"one"[..], b"", b"three"] {
            association.send(&datagram(0, &slow, payload)).await;
            // By address to the same target, by address to another one, and by another name.
            association.echo(&other, b"by address").await;
            association.echo(&target, b"by address").await;
            association.send(&datagram(0, &quick, b"by name")).await;
            association.reaches(&other, b"by name").await;
        }
        assert_silent(&target);
        gate.add_permits(1);
        for payload in [&b"one"[..], b"", b"three"] {
            association.reaches(&target, payload).await;
        }
        // The answer is kept.
        association.send(&datagram(0, &slow, b"four")).await;
        let source = association.reaches(&target, b"four").await;
        target.send_to(b"answer", source).await.unwrap();
        association.hear(&target, b"answer").await;
    })
    .await;
}

#[tokio::test]
async fn a11_the_first_datagram_of_an_association_may_be_to_a_slow_name() {
    within(async {
        let (resolver, gate) = slow();
        let association = resolving(resolver).await;
        let target = socket("127.0.0.1").await;
        let slow = name("slow.example", port(&target));
        association.send(&datagram(0, &slow, b"one")).await;
        gate.add_permits(1);
        // Nothing else wakes the association.
        let source = association.reaches(&target, b"one").await;
        target.send_to(b"answer", source).await.unwrap();
        association.hear(&target, b"answer").await;
    })
    .await;
}

#[tokio::test]
async fn a11_what_waits_for_lookups_is_bounded() {
    within(async {
        let (resolver, gate) = slow();
        let association = resolving(resolver).await;
        let (target, other) = (socket("127.0.0.1").await, socket("127.0.0.1").await);
        // 64 KiB for one name; the third does not fit.
        let slow = name("slow.example", port(&target));
        for number in 0..3 {
            let large = vec![number; 30_000];
            association.send(&datagram(0, &slow, &large)).await;
            association.echo(&other, b"ping").await;
        }
        // 16 names at once, one of which is there already.
        for number in 1..=16 {
            let slow = name(&format!("slow{number}.example"), port(&target));
            let payload = number.to_string();
            association
                .send(&datagram(0, &slow, payload.as_bytes()))
                .await;
            association.echo(&other, b"ping").await;
        }
        gate.add_permits(100);
        let mut heard = Vec::new();
        for _ in 0..17 {
            heard.push(crate::support::udp::association::receive(&target).await.0);
        }
        heard.sort_by_key(|payload| (payload.len(), payload.clone()));
        let few = (1..16).map(|number| number.to_string().into_bytes());
        let expected = few.chain([vec![0; 30_000], vec![1; 30_000]]);
        assert!(heard.iter().cloned().eq(expected));
        association.echo(&other, b"ping").await;
        association.echo(&target, b"ping").await;
    })
    .await;
}

#[tokio::test]
async fn a11_a_lookup_that_takes_too_long_is_given_up() {
    within(async {
        let (resolver, gate) = slow();
        let association = resolving(resolver).await;
        let (target, other) = (socket("127.0.0.1").await, socket("127.0.0.1").await);
        let slow = name("slow.example", port(&target));
        association.send(&datagram(0, &slow, b"lost")).await;
        association.echo(&other, b"ping").await;
        pass(6).await;
        association.echo(&other, b"ping").await;
        gate.add_permits(1);
        association.echo(&target, b"ping").await;
    })
    .await;
}

#[tokio::test]
async fn a12_names_lead_to_both_families() {
    if !has_ipv6() {
        return;
    }
    within(async {
        let (resolver, _) = hosts(&[("six.example", &["::1"]), ("four.example", &["127.0.0.1"])]);
        let association = resolving(resolver).await;
        for (host, ip) in [("six.example", "::1"), ("four.example", "127.0.0.1")] {
            let target = socket(ip).await;
            let to = name(host, port(&target));
            association.send(&datagram(0, &to, b"ping")).await;
            let source = association.reaches(&target, b"ping").await;
            target.send_to(b"pong", source).await.unwrap();
            association.hear(&target, b"pong").await;
        }
    })
    .await;
}
