//! The local ports of connections from a chosen address.

use std::net::{IpAddr, SocketAddr};

use nix::sys::socket::{getsockopt, sockopt::IpBindAddressNoPort};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;
use tower_socks::{connector::direct::Direct, proto::Address, session::Connected};

use crate::support::{has_ipv6, within};

async fn dial(from: IpAddr, target: SocketAddr) -> Connected<TcpStream> {
    let direct = Direct::new().local_address(from);
    direct.oneshot(Address::Ip(target)).await.unwrap()
}

/// A port that is chosen before the target is known is taken for all targets.
#[tokio::test]
async fn the_port_is_chosen_with_the_target() {
    within(async {
        for (from, on) in [("127.0.0.9", "127.0.0.1"), ("::1", "::1")] {
            if from.contains(':') && !has_ipv6() {
                continue;
            }
            let listener = TcpListener::bind((on, 0)).await.unwrap();
            let from = from.parse().unwrap();
            let stream = dial(from, listener.local_addr().unwrap()).await;
            assert_eq!(
                stream.get_ref().local_addr().unwrap().ip(),
                from,
                "the address that was chosen"
            );
            assert!(getsockopt(stream.get_ref(), IpBindAddressNoPort).unwrap());
        }
    })
    .await;
}

/// `.ci/namespaces` runs it where there are no more ports than that.
#[tokio::test]
#[ignore = "needs a network namespace with 50 ephemeral ports"]
async fn few_ports_serve_many_targets() {
    within(async {
        let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
        let ends: Vec<u16> = range
            .split_whitespace()
            .map(|end| end.parse().unwrap())
            .collect();
        assert_eq!(ends[1] - ends[0] + 1, 50, "of {range}");
        let mut listeners = Vec::new();
        for on in ["127.0.0.1:1001", "127.0.0.1:1002"] {
            listeners.push(TcpListener::bind(on).await.unwrap());
        }
        let mut streams = Vec::new();
        for _ in 0..40 {
            for listener in &listeners {
                let target = listener.local_addr().unwrap();
                let stream = dial("127.0.0.9".parse().unwrap(), target).await;
                let (accepted, peer) = listener.accept().await.unwrap();
                assert_eq!(stream.bound(), &Address::Ip(peer));
                streams.push((stream, accepted));
            }
        }
        assert_eq!(streams.len(), 80);
    })
    .await;
}
