//! What clients and targets say, octet by octet.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    task::JoinHandle,
    time::timeout,
};

pub(crate) const CONNECT: u8 = 1;
pub(crate) const BIND: u8 = 2;
pub(crate) const ASSOCIATE: u8 = 3;

/// Nothing here takes longer, unless bytes are lost.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A wait that has a limit.
pub(crate) async fn within<T>(
    what: &str,
    doing: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    match timeout(LIMIT, doing).await {
        Ok(done) => done.map_err(|error| io::Error::new(error.kind(), format!("{what}: {error}"))),
        Err(_) => Err(io::Error::other(format!("{what}: not within {LIMIT:?}"))),
    }
}

/// A client with the reply to its request: BND.
pub(crate) async fn ask(
    server: SocketAddr,
    command: u8,
    target: SocketAddr,
) -> io::Result<(TcpStream, SocketAddr)> {
    let mut client = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    client.write_all(b"\x05\x01\x00").await?;
    let mut selection = [0; 2];
    client.read_exact(&mut selection).await?;
    if selection != *b"\x05\x00" {
        return Err(io::Error::other(format!("selection {selection:?}")));
    }
    let mut request = vec![5, command, 0];
    request.extend(address(target));
    client.write_all(&request).await?;
    let bound = reply(&mut client).await?;
    Ok((client, bound))
}

/// The address of a successful reply.
pub(crate) async fn reply(client: &mut TcpStream) -> io::Result<SocketAddr> {
    let mut reply = [0; 10];
    client.read_exact(&mut reply).await?;
    match reply {
        [5, 0, 0, 1, a, b, c, d, high, low] => {
            Ok(([a, b, c, d], u16::from_be_bytes([high, low])).into())
        }
        _ => Err(io::Error::other(format!("reply {reply:?}"))),
    }
}

/// ATYP, address and port.
pub(crate) fn address(address: SocketAddr) -> Vec<u8> {
    let SocketAddr::V4(address) = address else {
        unreachable!("targets are on 127.0.0.1")
    };
    let mut octets = vec![1];
    octets.extend(address.ip().octets());
    octets.extend(address.port().to_be_bytes());
    octets
}

/// A target that repeats what it hears, to the end.
pub(crate) async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                // Whoever resets has nothing to hear.
                _ = tokio::io::copy(&mut read, &mut write).await;
                _ = write.shutdown().await;
            });
        }
    });
    address
}

/// The same for datagrams. It goes when this is dropped.
pub(crate) struct UdpEcho {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

pub(crate) async fn udp_echo() -> UdpEcho {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let mut datagram = vec![0; 65_536];
        loop {
            let (length, from) = socket.recv_from(&mut datagram).await.unwrap();
            socket.send_to(&datagram[..length], from).await.unwrap();
        }
    });
    UdpEcho { address, task }
}

impl Drop for UdpEcho {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Sends `said` to an echo over one stream or two, and checks every byte that comes back.
pub(crate) async fn echoes(
    read: &mut (impl AsyncReadExt + Unpin),
    write: &mut (impl AsyncWriteExt + Unpin),
    said: &[u8],
) -> io::Result<()> {
    let hear = async {
        let mut heard = vec![0; 256 * 1024];
        let mut rest = said;
        while !rest.is_empty() {
            let most = heard.len().min(rest.len());
            let read = read.read(&mut heard[..most]).await?;
            if read == 0 {
                let lost = rest.len();
                return Err(io::Error::other(format!("the end came {lost} bytes early")));
            }
            if heard[..read] != rest[..read] {
                return Err(io::Error::other("other bytes than those that were sent"));
            }
            rest = &rest[read..];
        }
        Ok(())
    };
    let say = async {
        write.write_all(said).await?;
        write.flush().await
    };
    tokio::try_join!(hear, say).map(|_| ())
}
