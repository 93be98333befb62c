//! O9: whose answers reach the client (A14). Where frames have no address, only the destination's.

use std::net::SocketAddr;

use tokio::net::UdpSocket;
use tower_socks::{
    Connector,
    connector::associate::{Associate, Filtering, MakeDirect},
};

use crate::{
    support::{
        resolvers::answering,
        udp::{
            association::{receive, socket},
            ear::Ear,
            name,
            policies::hosts,
            within,
        },
    },
    tunnel::{ADDRESSED, Mode, Tunnel, at, metered},
};

const ALL: [Filtering; 3] = [
    Filtering::EndpointIndependent,
    Filtering::AddressDependent,
    Filtering::AddressAndPortDependent,
];

/// Another host at the same port as `target`, and the same host at another port.
async fn strangers(target: &UdpSocket) -> [UdpSocket; 2] {
    let port = target.local_addr().unwrap().port();
    let host = UdpSocket::bind(("127.0.0.2", port)).await;
    // Where somebody has the port there, another one will do.
    let host = match host {
        Ok(host) => host,
        Err(_) => socket("127.0.0.2").await,
    };
    [host, socket("127.0.0.1").await]
}

#[tokio::test]
async fn a14_the_filtering_is_that_of_any_association() {
    within(async {
        for mode in ADDRESSED {
            for filtering in ALL {
                let associate = Associate::with_transports(MakeDirect::new().filtering(filtering));
                let ear = Ear::default();
                let stack = metered(Connector::direct().with_associate(associate), &ear);
                let target = socket("127.0.0.1").await;
                let mut tunnel = Tunnel::to(mode, stack, &at(&target)).await;
                let out = tunnel.echo(&target, b"ping").await;
                let [host, port] = strangers(&target).await;
                host.send_to(b"another host", out).await.unwrap();
                port.send_to(b"another port", out).await.unwrap();
                let heard: &[(&UdpSocket, &[u8])] = match filtering {
                    Filtering::EndpointIndependent => {
                        &[(&host, b"another host"), (&port, b"another port")]
                    }
                    Filtering::AddressDependent => &[(&port, b"another port")],
                    _ => &[],
                };
                for (source, payload) in heard {
                    tunnel.hear(source.local_addr().unwrap(), payload).await;
                }
                tunnel.echo(&target, b"pong").await;
                let dropped: usize = ear.drops().iter().map(|(_, count)| count).sum();
                assert_eq!(dropped, 2 - heard.len(), "{mode:?} {filtering:?}");
            }
        }
    })
    .await;
}

/// Strangers are not passed off as the destination. Frames would not tell.
async fn only_the_destination(dst: impl Fn(SocketAddr) -> Vec<u8>) {
    for filtering in ALL {
        let (resolver, _) = hosts(&[("target.example", &["127.0.0.1"])]);
        let transports = MakeDirect::new().filtering(filtering).resolver(resolver);
        let ear = Ear::default();
        let associate = Associate::with_transports(transports);
        let stack = metered(Connector::direct().with_associate(associate), &ear);
        let target = socket("127.0.0.1").await;
        let dst = dst(target.local_addr().unwrap());
        let mut tunnel = Tunnel::to(Mode::Connected, stack, &dst).await;
        let out = tunnel.echo(&target, b"ping").await;
        for round in 1..=3 {
            let strangers = strangers(&target).await;
            for stranger in &strangers {
                stranger.send_to(b"stranger", out).await.unwrap();
            }
            tunnel.echo(&target, b"pong").await;
            assert_eq!(ear.drops(), [("stranger", 2 * round)], "{filtering:?}");
        }
    }
}

#[tokio::test]
async fn a14_one_destination_alone_answers() {
    within(only_the_destination(crate::support::udp::address)).await;
}

#[tokio::test]
async fn a14_one_destination_in_mapped_form_alone_answers() {
    within(only_the_destination(|target| {
        let port = target.port();
        crate::support::udp::address(format!("[::ffff:127.0.0.1]:{port}").parse().unwrap())
    }))
    .await;
}

#[tokio::test]
async fn a14_one_destination_by_name_alone_answers() {
    within(only_the_destination(|target| {
        name("target.example", target.port())
    }))
    .await;
}

#[tokio::test]
async fn a14_a_name_answers_from_each_address_that_was_used() {
    within(async {
        // Another address each time that it is looked up.
        let (resolver, asked) = answering(&[&["127.0.0.1"], &["127.0.0.2"]]);
        let transports = MakeDirect::new().resolver(resolver);
        let associate = Associate::with_transports(transports);
        let ear = Ear::default();
        let stack = metered(Connector::direct().with_associate(associate), &ear);
        let (first, second) = loop {
            let first = socket("127.0.0.1").await;
            let port = first.local_addr().unwrap().port();
            if let Ok(second) = UdpSocket::bind(("127.0.0.2", port)).await {
                break (first, second);
            }
        };
        let dst = name("target.example", first.local_addr().unwrap().port());
        let mut tunnel = Tunnel::to(Mode::Connected, stack, &dst).await;
        let out = tunnel.echo(&first, b"ping").await;
        second.send_to(b"not yet", out).await.unwrap();
        tunnel.echo(&first, b"ping").await;
        assert_eq!(ear.drops(), [("stranger", 1)]);
        crate::support::udp::pass(61).await;
        tunnel.say(&dst, b"moved").await;
        let (heard, source) = receive(&second).await;
        assert_eq!((&*heard, source.port()), (&b"moved"[..], out.port()));
        second.send_to(b"new", out).await.unwrap();
        tunnel.hear(second.local_addr().unwrap(), b"new").await;
        first.send_to(b"old", out).await.unwrap();
        tunnel.hear(first.local_addr().unwrap(), b"old").await;
        assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), 2);
    })
    .await;
}
