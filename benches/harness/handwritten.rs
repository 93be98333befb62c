//! The proxy to compare with: what one writes by hand on tokio when nothing but CONNECT to an IPv4
//! address without authentication is wanted. It has no limits, no policy, no log and no deadline.

use std::{
    future::Future,
    io,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tower_socks::{Traffic, relay::Relay};

/// What moves the bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Copier {
    Tokio,
    Ours,
}

/// Accepts connections and never ends.
pub(crate) async fn serve(listener: TcpListener) -> io::Result<()> {
    // Connections inherit it.
    socket2::SockRef::from(&listener).set_tcp_nodelay(true)?;
    loop {
        let (client, _) = listener.accept().await?;
        tokio::spawn(session(client, connect, Copier::Tokio));
    }
}

async fn connect(target: SocketAddrV4) -> io::Result<(TcpStream, SocketAddr)> {
    let target = TcpStream::connect(SocketAddr::V4(target)).await?;
    target.set_nodelay(true)?;
    let bound = target.local_addr()?;
    Ok((target, bound))
}

/// Serves one client, whose messages come in one piece each.
pub(crate) async fn session<C, T, F>(
    mut client: C,
    connect: impl FnOnce(SocketAddrV4) -> F,
    copier: Copier,
) -> io::Result<Traffic>
where
    C: AsyncRead + AsyncWrite + Unpin + 'static,
    T: AsyncRead + AsyncWrite + Unpin + 'static,
    F: Future<Output = io::Result<(T, SocketAddr)>>,
{
    let mut message = [0; 512];
    let read = client.read(&mut message).await?;
    match &message[..read] {
        [5, count, methods @ ..]
            if methods.len() == usize::from(*count) && methods.contains(&0) =>
        {
            client.write_all(&[5, 0]).await?;
        }
        _ => return Err(io::ErrorKind::InvalidData.into()),
    }
    let read = client.read(&mut message).await?;
    let target = match message[..read] {
        [5, 1, 0, 1, a, b, c, d, high, low] => {
            SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([high, low]))
        }
        _ => return Err(io::ErrorKind::InvalidData.into()),
    };
    let (mut target, bound) = connect(target).await?;
    let SocketAddr::V4(bound) = bound else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let mut reply = [5, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    reply[4..8].copy_from_slice(&bound.ip().octets());
    reply[8..].copy_from_slice(&bound.port().to_be_bytes());
    client.write_all(&reply).await?;
    match copier {
        Copier::Tokio => {
            let (up, down) = copy_bidirectional(&mut client, &mut target).await?;
            Ok(Traffic { up, down })
        }
        Copier::Ours => Relay::new().run(client, target).await,
    }
}
