//! Datagrams to the proxy's own relay sockets are dropped, whatever the policy says.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::net::UdpSocket;
use tower_socks::{
    Connector, TunnelExt,
    connector::associate::{Associate, MakeDirect},
    io::{Direction, DropReason, Meter},
};

use crate::support::{
    has_ipv6,
    udp::{
        Client, address,
        association::{Association, assert_silent, datagram, socket},
        name,
        policies::hosts,
        stack, within,
    },
};

/// Counts what is dropped since it goes to ourselves, and anything else that is dropped.
#[derive(Clone, Default)]
struct Drops(Arc<(AtomicUsize, AtomicUsize)>);

impl Meter for Drops {
    fn moved(&mut self, _: Direction, _: usize) {}

    fn dropped(&mut self, reason: DropReason, count: usize) {
        let (own, others) = &*self.0;
        let counter = match reason {
            DropReason::SelfConnection => own,
            _ => others,
        };
        counter.fetch_add(count, Ordering::Relaxed);
    }
}

impl Drops {
    fn counts(&self) -> (usize, usize) {
        let (own, others) = &*self.0;
        (own.load(Ordering::Relaxed), others.load(Ordering::Relaxed))
    }
}

/// An association at this address, whose drops are counted.
async fn counted(ip: &str, associate: Associate) -> (Association, Drops) {
    let drops = Drops::default();
    let meter = drops.clone();
    let service = tower::util::MapResponse::new(
        Connector::direct().with_associate(associate),
        move |tunnel| TunnelExt::metered(tunnel, meter.clone()),
    );
    let listen = SocketAddr::new(ip.parse().unwrap(), 0).to_string();
    let client = Client::on(&listen, ip, ip, stack(service)).await;
    (Association::of(client).await, drops)
}

/// Sends a datagram to `dst` and one to `target`: only the latter arrives.
async fn is_dropped(association: &Association, dst: &[u8], target: &UdpSocket) {
    association.send(&datagram(0, dst, b"loop")).await;
    association.echo(target, b"ping").await;
}

#[tokio::test]
async fn a_datagram_to_a_relay_of_ours_is_dropped() {
    within(async {
        let mut ips = vec!["127.0.0.1"];
        if has_ipv6() {
            ips.push("::1");
        }
        for ip in ips {
            let (one, drops) = counted(ip, Associate::new()).await;
            let (other, _) = counted(ip, Associate::new()).await;
            let target = socket(ip).await;
            // To itself, and to another server's of the same process.
            is_dropped(&one, &address(one.relay), &target).await;
            is_dropped(&one, &address(other.relay), &target).await;
            assert_eq!(drops.counts(), (2, 0));
            // Nobody has taken the port of the other's client.
            other.echo(&target, b"ping").await;

            // Once the relay is gone, its address is anybody's.
            let relay = other.relay;
            other.lingering_close().await.unwrap();
            let heir = UdpSocket::bind(relay).await.unwrap();
            one.echo(&heir, b"ping").await;
            assert_eq!(drops.counts(), (2, 0));
        }
    })
    .await;
}

#[tokio::test]
async fn so_it_is_by_name_by_a_mapped_address_and_by_the_public_one() {
    within(async {
        let public: IpAddr = "127.0.0.9".parse().unwrap();
        let (other, _) = counted("127.0.0.1", Associate::new().public_address(public)).await;
        let port = other.relay.port();
        // Something that would hear what is sent to the public address.
        let behind = UdpSocket::bind((public, port)).await.unwrap();

        let (resolver, _) = hosts(&[
            ("here.example", &["127.0.0.1"]),
            ("public.example", &["127.0.0.9"]),
        ]);
        let transports = MakeDirect::new().resolver(resolver);
        let drops = Drops::default();
        let meter = drops.clone();
        let associate = Associate::with_transports(transports);
        let service = tower::util::MapResponse::new(
            Connector::direct().with_associate(associate),
            move |tunnel| TunnelExt::metered(tunnel, meter.clone()),
        );
        let one = Association::new(stack(service)).await;
        let target = socket("127.0.0.1").await;
        let mapped = SocketAddr::new("::ffff:127.0.0.1".parse().unwrap(), port);
        for dst in [
            address(mapped),
            address(SocketAddr::new(public, port)),
            name("127.1", port),
            // Once looked up, once remembered.
            name("here.example", port),
            name("here.example", port),
            name("public.example", port),
            name("public.example", port),
        ] {
            is_dropped(&one, &dst, &target).await;
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        }
        one.echo(&target, b"ping").await;
        assert_eq!(drops.counts(), (7, 0));
        assert_silent(&behind);
    })
    .await;
}

#[tokio::test]
async fn associations_do_not_feed_each_other() {
    within(async {
        let associate = || Associate::new().any_client_port();
        let (one, _) = counted("127.0.0.1", associate()).await;
        let (other, _) = counted("127.0.0.1", associate()).await;
        let echo = socket("127.0.0.1").await;
        // What comes back to the one is a datagram of the other's client, and so on.
        let inner = datagram(0, &address(one.relay), b"x");
        let nested = datagram(0, &address(other.relay), &inner);
        let twice = datagram(0, &address(one.relay), &nested);
        for _ in 0..3 {
            one.send(&nested).await;
            other.send(&twice).await;
        }
        one.echo(&echo, b"ping").await;
        other.echo(&echo, b"ping").await;
        // Each has had the datagrams of its client alone; headers are 10 octets.
        for (association, each) in [(one, nested.len() - 10), (other, nested.len())] {
            let traffic = association.lingering_close().await.unwrap();
            assert_eq!((traffic.up, traffic.down), (each as u64 * 3 + 4, 4));
        }
    })
    .await;
}
