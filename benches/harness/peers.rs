//! The client and the target of a tunnel.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream},
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

/// Says what it hears until the stream ends.
pub(crate) async fn echo(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut bytes = [0; 64];
    while let Ok(read @ 1..) = stream.read(&mut bytes).await {
        if stream.write_all(&bytes[..read]).await.is_err() {
            break;
        }
    }
}

/// Opens a tunnel to an echoing target, and sends one byte there and back.
pub(crate) fn open_tunnel(proxy: SocketAddr, target: SocketAddrV4) -> TcpStream {
    let mut stream = TcpStream::connect(proxy).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.write_all(&GREETING).unwrap();
    stream.read_exact(&mut [0; 2]).unwrap();
    stream.write_all(&connect_request(target)).unwrap();
    let mut reply = [0; 10];
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(reply[..4], [5, 0, 0, 1], "a reply that says yes");
    stream.write_all(b"!").unwrap();
    stream.read_exact(&mut [0; 1]).unwrap();
    stream
}

/// The same, and closes it. Waits until the proxy has closed its side too.
pub(crate) fn visit(proxy: SocketAddr, target: SocketAddrV4) {
    let mut stream = open_tunnel(proxy, target);
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0, "the end");
}
