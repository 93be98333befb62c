//! Targets on loopback that say what they hear, for the programs and the tests.

use std::{io, net::SocketAddr};

use tokio::{
    net::{TcpListener, UdpSocket},
    task::JoinHandle,
};

/// An echo for streams.
pub async fn streams() -> io::Result<(SocketAddr, JoinHandle<()>)> {
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

/// An echo for datagrams.
pub async fn datagrams() -> io::Result<(SocketAddr, JoinHandle<()>)> {
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    let address = socket.local_addr()?;
    let running = tokio::spawn(async move {
        let mut payload = vec![0; 65_536];
        while let Ok((len, from)) = socket.recv_from(&mut payload).await {
            let _ = socket.send_to(&payload[..len], from).await;
        }
    });
    Ok((address, running))
}
