//! Keepalive and other options of the sockets that are accepted and dialled.

use std::{os::fd::AsFd, time::Duration};

use rustix::net::sockopt::{
    socket_keepalive, socket_oobinline, tcp_keepcnt, tcp_keepidle, tcp_keepintvl, tcp_user_timeout,
};
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tower::{ServiceExt, service_fn};
use tower_socks::{
    BoxError, connector::direct::Direct, io::Keepalive, proto::Address, serve, session::Accepted,
};

/// Idle, interval, probes and user timeout of a socket with keepalive.
fn keepalive(socket: impl AsFd) -> Option<(u64, u64, u32, u32)> {
    let socket = socket.as_fd();
    socket_keepalive(socket).unwrap().then(|| {
        (
            tcp_keepidle(socket).unwrap().as_secs(),
            tcp_keepintvl(socket).unwrap().as_secs(),
            tcp_keepcnt(socket).unwrap(),
            tcp_user_timeout(socket).unwrap(),
        )
    })
}

/// The socket that a server accepts, with these options or the default.
async fn accepted(options: Option<Keepalive>, address: &str) -> TcpStream {
    accepted_by(TcpListener::bind(address).await.unwrap(), options).await
}

/// The same, of a listener that there is, which is served no longer then.
async fn accepted_by(listener: TcpListener, options: Option<Keepalive>) -> TcpStream {
    let address = listener.local_addr().unwrap();
    let (seen, mut accepted) = mpsc::unbounded_channel();
    let stack = service_fn(move |accepted: Accepted<TcpStream>| {
        seen.send(accepted.io).unwrap();
        async { Ok::<_, BoxError>(()) }
    });
    let mut server = serve(listener, stack);
    if let Some(options) = options {
        server = server.keepalive(options);
    }
    let server = tokio::spawn(server.into_future());
    let _client = TcpStream::connect(address).await.unwrap();
    let socket = accepted.recv().await.unwrap();
    server.abort();
    _ = server.await;
    socket
}

/// The socket that is dialled.
async fn dialled(options: Option<Keepalive>, address: &str) -> TcpStream {
    let target = TcpListener::bind(address).await.unwrap();
    let mut direct = Direct::new();
    if let Some(options) = options {
        direct = direct.keepalive(options);
    }
    let address = Address::Ip(target.local_addr().unwrap());
    direct.oneshot(address).await.unwrap().into_inner()
}

fn addresses() -> Vec<&'static str> {
    let mut addresses = vec!["127.0.0.1:0"];
    if crate::support::has_ipv6() {
        addresses.push("[::1]:0");
    }
    addresses
}

#[tokio::test]
async fn sockets_probe_their_peers_and_keep_urgent_data_in_line() {
    for address in addresses() {
        for socket in [accepted(None, address).await, dialled(None, address).await] {
            assert_eq!(keepalive(&socket), Some((60, 10, 6, 0)));
            assert!(socket_oobinline(&socket).unwrap());
        }
    }
}

#[tokio::test]
async fn the_times_can_be_set() {
    let options = Keepalive::new()
        .idle(Duration::from_secs(7))
        .interval(Duration::from_secs(3))
        .probes(2)
        .unacknowledged(Duration::from_secs(90));
    for address in addresses() {
        let accepted = accepted(Some(options), address).await;
        let dialled = dialled(Some(options), address).await;
        for socket in [accepted, dialled] {
            assert_eq!(keepalive(&socket), Some((7, 3, 2, 90_000)));
        }
    }
}

#[tokio::test]
async fn what_the_system_does_not_take_becomes_what_it_does() {
    let least = Keepalive::new()
        .idle(Duration::ZERO)
        .interval(Duration::ZERO)
        .probes(0);
    let most = Keepalive::new()
        .idle(Duration::MAX)
        .interval(Duration::MAX)
        .probes(u32::MAX);
    for (options, expected) in [(least, (1, 1, 1, 0)), (most, (32_767, 32_767, 127, 0))] {
        let accepted = accepted(Some(options), "127.0.0.1:0").await;
        let dialled = dialled(Some(options), "127.0.0.1:0").await;
        for socket in [accepted, dialled] {
            assert_eq!(keepalive(&socket), Some(expected));
        }
    }
}

#[tokio::test]
async fn it_can_be_off() {
    for socket in [
        accepted(Some(Keepalive::off()), "127.0.0.1:0").await,
        dialled(Some(Keepalive::off()), "127.0.0.1:0").await,
    ] {
        assert_eq!(keepalive(&socket), None);
    }
}

#[tokio::test]
async fn a_listener_that_is_served_anew_has_the_options_of_then() {
    let limited = Keepalive::new()
        .idle(Duration::from_secs(7))
        .unacknowledged(Duration::from_secs(90));
    for address in addresses() {
        let listener = std::net::TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let same = listener.try_clone().unwrap();
        let socket = accepted_by(TcpListener::from_std(same).unwrap(), Some(limited)).await;
        assert_eq!(keepalive(&socket), Some((7, 10, 6, 90_000)));
        let listener = TcpListener::from_std(listener).unwrap();
        let socket = accepted_by(listener, Some(Keepalive::new())).await;
        assert_eq!(keepalive(&socket), Some((60, 10, 6, 0)));
    }
}

#[tokio::test]
async fn a_peer_that_answers_is_kept() {
    // The system of the peer answers, and not its program: nobody reads here.
    let options = Keepalive::new()
        .idle(Duration::from_secs(1))
        .interval(Duration::from_secs(1))
        .probes(1);
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address::Ip(target.local_addr().unwrap());
    let direct = Direct::new().keepalive(options);
    let mut socket = direct.oneshot(address).await.unwrap().into_inner();
    let (_peer, _) = target.accept().await.unwrap();
    let reading = tokio::time::timeout(Duration::from_secs(4), socket.read_u8()).await;
    assert!(reading.is_err(), "{reading:?}");
}
