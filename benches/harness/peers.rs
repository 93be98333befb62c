//! The client and the target of a tunnel.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket},
    thread,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    runtime,
};

/// No authentication, and nothing else.
pub(crate) const GREETING: [u8; 3] = [5, 1, 0];

/// CONNECT to an address.
pub(crate) const fn connect_request(target: SocketAddrV4) -> [u8; 10] {
    let [a, b, c, d] = target.ip().octets();
    let [high, low] = target.port().to_be_bytes();
    [5, 1, 0, 1, a, b, c, d, high, low]
}

/// A target that says what it hears, for any number of connections, on a thread of its own.
pub(crate) fn start_echo() -> SocketAddrV4 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let SocketAddr::V4(address) = listener.local_addr().unwrap() else {
        unreachable!("bound to an IPv4 address");
    };
    listener.set_nonblocking(true).unwrap();
    thread::spawn(move || {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(echo(stream));
            }
        });
    });
    address
}

/// The same for datagrams at the same address.
pub(crate) fn start_udp_echo(address: SocketAddrV4) {
    let socket = UdpSocket::bind(address).unwrap();
    thread::spawn(move || {
        let mut bytes = [0; 64];
        loop {
            let (len, source) = socket.recv_from(&mut bytes).unwrap();
            socket.send_to(&bytes[..len], source).unwrap();
        }
    });
}

/// Says what it hears until the stream ends.
pub(crate) async fn echo(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut bytes = [0; 64];
    while let Ok(read @ 1..) = stream.read(&mut bytes).await {
        if stream.write_all(&bytes[..read]).await.is_err() {
            break;
        }
    }
}

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spoken {
    Socks5,
    Socks4,
    #[cfg(feature = "http-server")]
    Http,
    /// Version 2, by SOCKS5, with one destination.
    UdpOverTcp,
}

/// Opens a tunnel to an echoing target, and sends one byte there and back.
pub(crate) fn open_tunnel(proxy: SocketAddr, target: SocketAddrV4) -> TcpStream {
    open_tunnel_by(Spoken::Socks5, proxy, target)
}

/// The same in a protocol.
pub(crate) fn open_tunnel_by(spoken: Spoken, proxy: SocketAddr, target: SocketAddrV4) -> TcpStream {
    let mut stream = TcpStream::connect(proxy).unwrap();
    stream.set_nodelay(true).unwrap();
    match spoken {
        Spoken::Socks5 => {
            stream.write_all(&GREETING).unwrap();
            stream.read_exact(&mut [0; 2]).unwrap();
            stream.write_all(&connect_request(target)).unwrap();
            let mut reply = [0; 10];
            stream.read_exact(&mut reply).unwrap();
            assert_eq!(reply[..4], [5, 0, 0, 1], "a reply that says yes");
        }
        Spoken::Socks4 => {
            let [a, b, c, d] = target.ip().octets();
            let [high, low] = target.port().to_be_bytes();
            stream.write_all(&[4, 1, high, low, a, b, c, d, 0]).unwrap();
            let mut reply = [0; 8];
            stream.read_exact(&mut reply).unwrap();
            assert_eq!(reply[..2], [0, 0x5a], "a reply that says yes");
        }
        Spoken::UdpOverTcp => {
            stream.write_all(&GREETING).unwrap();
            stream.read_exact(&mut [0; 2]).unwrap();
            let request = b"\x05\x01\0\x03\x17sp.v2.udp-over-tcp.arpa\0\0";
            stream.write_all(request).unwrap();
            let mut reply = [0; 10];
            stream.read_exact(&mut reply).unwrap();
            assert_eq!(reply[..4], [5, 0, 0, 1], "a reply that says yes");
            // ISCONNECT in place of RSV, and the address as in a request.
            let request = connect_request(target);
            stream.write_all(&[&[1], &request[3..]].concat()).unwrap();
            // LEN of the octet that follows, and of the one that comes back.
            stream.write_all(&[0, 1, b'!']).unwrap();
            stream.read_exact(&mut [0; 3]).unwrap();
            return stream;
        }
        #[cfg(feature = "http-server")]
        Spoken::Http => {
            let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
            stream.write_all(request.as_bytes()).unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut some = [0; 512];
                let read = stream.read(&mut some).unwrap();
                assert!(read > 0, "a response");
                head.extend_from_slice(&some[..read]);
            }
            assert!(
                head.starts_with(b"HTTP/1.1 200 "),
                "a response that says yes"
            );
        }
    }
    stream.write_all(b"!").unwrap();
    stream.read_exact(&mut [0; 1]).unwrap();
    stream
}

/// The same, and closes it. Waits until the proxy has closed its side too.
pub(crate) fn visit_by(spoken: Spoken, proxy: SocketAddr, target: SocketAddrV4) {
    let mut stream = open_tunnel_by(spoken, proxy, target);
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0, "the end");
}

/// The same with SOCKS5.
pub(crate) fn visit(proxy: SocketAddr, target: SocketAddrV4) {
    visit_by(Spoken::Socks5, proxy, target);
}
