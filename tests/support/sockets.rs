//! Loopback addresses that answer, refuse, or stay silent.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddrV6},
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    time::timeout,
};
use tower::service_fn;
use tower_socks::{
    BoxError,
    connector::{
        direct::Direct,
        resolve::{Lookup, Resolve},
    },
};

/// A socket for the family of `ip`. Connections of other tests that have just ended are no obstacle.
fn socket(ip: IpAddr) -> TcpSocket {
    let socket = match ip {
        IpAddr::V4(_) => TcpSocket::new_v4().unwrap(),
        IpAddr::V6(_) => TcpSocket::new_v6().unwrap(),
    };
    socket.set_reuseaddr(true).unwrap();
    socket
}

/// A listener on `ip`, and its port on `others`, where it refuses connections for as long as the
/// sockets are there.
pub async fn listener_beside(ip: &str, others: &[&str]) -> (TcpListener, Vec<TcpSocket>) {
    let ip: IpAddr = ip.parse().unwrap();
    for _ in 0..100 {
        let listener = TcpListener::bind((ip, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let reserved = others.iter().map(|other| {
            let other: IpAddr = other.parse().unwrap();
            let reserved = socket(other);
            reserved.bind((other, port).into()).map(|()| reserved)
        });
        if let Ok(reserved) = reserved.collect() {
            return (listener, reserved);
        }
    }
    panic!("no port is free on all of {ip} and {others:?}");
}

/// A port at which every loopback address refuses, for as long as the socket is there.
pub fn closed_port() -> (u16, TcpSocket) {
    let reserved = TcpSocket::new_v6().unwrap();
    reserved.bind("[::]:0".parse().unwrap()).unwrap();
    (reserved.local_addr().unwrap().port(), reserved)
}

/// Makes an address silent: its queue is full, and nobody accepts. It stays so for as long as what
/// comes back is there.
pub async fn silent(socket: TcpSocket) -> (TcpListener, Vec<TcpStream>) {
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queue = Vec::new();
    while let Ok(stream) = timeout(Duration::from_millis(500), TcpStream::connect(address)).await {
        queue.push(stream.unwrap());
        assert!(queue.len() < 100, "the queue does not fill");
    }
    (listener, queue)
}

/// A connector for which every name has these addresses.
pub fn resolving_to(addresses: &[&str]) -> Direct<impl Resolve + Sync + use<>> {
    let addresses: Vec<IpAddr> = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
    Direct::new().resolver(service_fn(move |_: Lookup| {
        let addresses = addresses.clone();
        async { Ok::<_, BoxError>(addresses) }
    }))
}

/// Both ends of a connection.
pub async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (near, far) = tokio::join!(
        TcpStream::connect(listener.local_addr().unwrap()),
        listener.accept()
    );
    (near.unwrap(), far.unwrap().0)
}

/// A link-local address of this machine with its scope, if it has any. What is sent to it stays here.
pub fn link_local() -> Option<SocketAddrV6> {
    let all = std::fs::read_to_string("/proc/net/if_inet6").ok()?;
    all.lines().find_map(|line| {
        let mut fields = line.split_whitespace();
        let ip = u128::from_str_radix(fields.next()?, 16).ok()?;
        let scope = u32::from_str_radix(fields.next()?, 16).ok()?;
        let ip = Ipv6Addr::from_bits(ip);
        let address = SocketAddrV6::new(ip, 0, 0, scope);
        let is_usable = ip.is_unicast_link_local() && std::net::UdpSocket::bind(address).is_ok();
        is_usable.then_some(address)
    })
}
