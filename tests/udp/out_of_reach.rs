//! What the log says where a client is told an address that it cannot reach, and public addresses of both families.

use std::net::IpAddr;

use tower::ServiceExt;
use tower_socks::{
    Request, Tunnel,
    connector::{PortRange, associate::Associate, bind::Bind},
    proto::{Address, Command},
};
use tracing::Level;

use crate::support::{has_ipv6, log::Log, udp::within};

fn request(command: Command, local: &str, peer: &str) -> Request {
    let mut request = Request::new(command, Address::UNSPECIFIED);
    request.local = local.parse().unwrap();
    request.peer = peer.parse().unwrap();
    request
}

async fn associate(associate: Associate, local: &str, peer: &str) -> IpAddr {
    let request = request(Command::UDP_ASSOCIATE, local, peer);
    let tunnel = associate.oneshot(request).await.unwrap();
    tunnel.bound().ip().unwrap().ip()
}

async fn bind(bind: Bind, local: &str, peer: &str) -> IpAddr {
    let tunnel = bind
        .oneshot(request(Command::BIND, local, peer))
        .await
        .unwrap();
    tunnel.bound().ip().unwrap().ip()
}

const FAR: &str = "203.0.113.9:50000";

#[tokio::test]
async fn the_log_says_what_to_set_once() {
    within(async {
        let (log, _listening) = Log::start(Level::WARN);
        let (udp, tcp) = (Associate::new(), Bind::new());
        for _ in 0..3 {
            associate(udp.clone(), "127.0.0.1:1080", FAR).await;
        }
        let said = log.take();
        assert_eq!(said.lines().count(), 1, "{said}");
        for part in [
            "UDP ASSOCIATE tells an address",
            "set `public_address`",
            "peer=203.0.113.9",
            "told=127.0.0.1",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
        bind(tcp.clone(), "127.0.0.1:1080", FAR).await;
        bind(tcp, "127.0.0.1:1080", FAR).await;
        let said = log.take();
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains("BIND tells an address"), "{said}");

        // Nothing is wrong with these.
        let public: IpAddr = "198.51.100.7".parse().unwrap();
        associate(Associate::new(), "127.0.0.1:1080", "127.0.0.5:50000").await;
        associate(Associate::new(), "0.0.0.0:0", "0.0.0.0:0").await;
        associate(
            Associate::new().public_address(public),
            "127.0.0.1:1080",
            FAR,
        )
        .await;
        bind(Bind::new().public_address(public), "127.0.0.1:1080", FAR).await;
        assert_eq!(log.take(), "");
    })
    .await;
}

/// The peer that is expected has to reach the address, not the client.
#[tokio::test]
async fn of_a_bind_it_is_the_expected_peer_who_has_to_get_there() {
    within(async {
        let (log, _listening) = Log::start(Level::WARN);
        let mut request = request(Command::BIND, "127.0.0.1:1080", FAR);
        request.target = "127.0.0.1:20".parse().unwrap();
        Bind::new().oneshot(request).await.unwrap();
        assert_eq!(log.take(), "");
    })
    .await;
}

#[tokio::test]
async fn a3_of_two_public_addresses_that_of_the_family_is_told() {
    if !has_ipv6() {
        return;
    }
    within(async {
        let (v4, v6) = ("198.51.100.7", "2001:db8::7");
        let [public4, public6]: [IpAddr; 2] = [v4, v6].map(|ip| ip.parse().unwrap());
        for (set, local, told) in [
            (vec![public4, public6], "127.0.0.1:1080", v4),
            (vec![public6, public4], "[::1]:1080", v6),
            (vec![public4, public6], "[::ffff:127.0.0.1]:1080", v4),
            // A forwarder may change the family: nobody reaches what is bound.
            (vec![public6], "127.0.0.1:1080", v6),
            (vec![public4], "[::1]:1080", v4),
        ] {
            let udp = set
                .iter()
                .fold(Associate::new(), |it, ip| it.public_address(*ip));
            let tcp = set
                .iter()
                .fold(Bind::new(), |it, ip| it.public_address(*ip));
            let peer = "127.0.0.1:50000";
            assert_eq!(
                associate(udp, local, peer).await.to_string(),
                told,
                "{local}"
            );
            assert_eq!(bind(tcp, local, peer).await.to_string(), told, "{local}");
        }
    })
    .await;
}

#[tokio::test]
async fn clones_of_a_range_have_no_port_twice() {
    within(async {
        let port = crate::support::udp::quiet_port();
        let ports = PortRange::from(port..=port);
        assert_eq!((ports.len(), ports.is_empty()), (1, false));
        let one = Associate::new().ports(ports.clone());
        let held = one.oneshot(request(Command::UDP_ASSOCIATE, "127.0.0.1:1080", FAR));
        let held = held.await.unwrap();
        // Another address would have the port free.
        let other = Associate::new().ports(ports.clone());
        let refused = other
            .clone()
            .oneshot(request(Command::UDP_ASSOCIATE, "127.0.0.2:1080", FAR));
        refused.await.unwrap_err();
        drop(held);
        other
            .oneshot(request(Command::UDP_ASSOCIATE, "127.0.0.2:1080", FAR))
            .await
            .unwrap();
    })
    .await;
}
