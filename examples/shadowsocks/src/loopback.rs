//! Targets on loopback that say what they hear, and sockets for a server, for the programs and the tests.

use std::{io, net::SocketAddr};

use tokio::{
    net::{TcpListener, UdpSocket},
    task::JoinHandle,
};

/// An echo for streams, at this address.
///
/// # Errors
///
/// When there is no port.
pub async fn stream_echo() -> io::Result<(SocketAddr, JoinHandle<()>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let running = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                tokio::io::copy(&mut read, &mut write).await
            });
        }
    });
    Ok((address, running))
}

/// An echo for datagrams, at this address.
///
/// # Errors
///
/// When there is no port.
pub async fn datagram_echo() -> io::Result<(SocketAddr, JoinHandle<()>)> {
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    let address = socket.local_addr()?;
    let running = tokio::spawn(async move {
        let mut payload = vec![0; 65_536];
        while let Ok((len, from)) = socket.recv_from(&mut payload).await {
            let heard = payload.get(..len).unwrap_or_default();
            let _ = socket.send_to(heard, from).await;
        }
    });
    Ok((address, running))
}

/// A listener and a socket for datagrams at one free port.
///
/// # Errors
///
/// When there is none.
pub async fn both_sockets() -> io::Result<(TcpListener, UdpSocket, SocketAddr)> {
    loop {
        let streams = TcpListener::bind("127.0.0.1:0").await?;
        let address = streams.local_addr()?;
        match UdpSocket::bind(address).await {
            Ok(datagrams) => return Ok((streams, datagrams, address)),
            // Somebody else has the port for datagrams.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(error),
        }
    }
}
