//! From where datagrams leave.

use std::net::IpAddr;

use tower_socks::{
    Connector,
    connector::{
        Family, Outgoing,
        associate::{Associate, MakeDirect},
    },
};

use crate::support::{
    has_ipv6,
    resolvers::answering,
    udp::{
        Client,
        association::{Association, assert_silent, datagram, receive, socket},
        name, stack, within,
    },
};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[tokio::test]
async fn datagrams_leave_from_the_address_that_is_set() {
    within(async {
        let outgoing = Outgoing::new().address(ip("127.0.0.9"));
        let transports = MakeDirect::new().outgoing_by(move |request| {
            assert!(request.is_some());
            outgoing.clone()
        });
        let associate = Associate::with_transports(transports);
        let association =
            Association::new(stack(Connector::direct().with_associate(associate))).await;
        let target = socket("127.0.0.1").await;
        let out = association.echo(&target, b"ping").await;
        assert_eq!(out.ip(), ip("127.0.0.9"));
    })
    .await;
}

/// A socket is for all targets of its family, so one of the loopback would keep all others out.
#[tokio::test]
async fn the_loopback_that_the_client_came_to_is_not_left_from() {
    within(async {
        for (outgoing, from) in [
            (Outgoing::new().as_reached(), "127.0.0.1"),
            (
                Outgoing::new().as_reached().address(ip("127.0.0.9")),
                "127.0.0.9",
            ),
        ] {
            let transports = MakeDirect::new().outgoing(outgoing);
            let associate = Associate::with_transports(transports);
            let stack = stack(Connector::direct().with_associate(associate));
            let client = Client::on("127.0.0.3:0", "127.0.0.3", "127.0.0.1", stack).await;
            let association = Association::of(client).await;
            let target = socket("127.0.0.1").await;
            assert_eq!(association.echo(&target, b"ping").await.ip(), ip(from));
        }
    })
    .await;
}

#[tokio::test]
async fn one_family_alone_or_first_for_datagrams_too() {
    if !has_ipv6() {
        return;
    }
    within(async {
        let (v4, v6) = loop {
            let v4 = socket("127.0.0.1").await;
            let port = v4.local_addr().unwrap().port();
            if let Ok(v6) = tokio::net::UdpSocket::bind(("::1", port)).await {
                break (v4, v6);
            }
        };
        let port = v4.local_addr().unwrap().port();
        for (family, to_v4) in [
            (Family::Both, false),
            (Family::Ipv6, false),
            (Family::Ipv6First, false),
            (Family::Ipv4, true),
            (Family::Ipv4First, true),
        ] {
            let (resolver, _) = answering(&[&["::1", "127.0.0.1"]]);
            let transports = MakeDirect::new()
                .resolver(resolver)
                .outgoing(Outgoing::new().family(family));
            let associate = Associate::with_transports(transports);
            let association =
                Association::new(stack(Connector::direct().with_associate(associate))).await;
            let (used, other) = if to_v4 { (&v4, &v6) } else { (&v6, &v4) };
            if matches!(family, Family::Ipv4 | Family::Ipv6) {
                association.say(other, b"dropped").await;
            }
            association
                .send(&datagram(0, &name("target.example", port), b"by name"))
                .await;
            let (heard, source) = receive(used).await;
            assert_eq!(
                (heard.as_slice(), source.is_ipv4()),
                (&b"by name"[..], to_v4),
                "{family:?}"
            );
            assert_silent(other);
        }
    })
    .await;
}
