//! QUIC through a SOCKS5 proxy: quinn's endpoint over a `ProxySocket`, the datagrams of a UDP ASSOCIATE.
//!
//! ```text
//! cargo run --release --bin quic      # in examples/elsewhere
//! ```
//!
//! Proxy, server and client are all in this program. It prints what the server has echoed, and ends.

use std::{error::Error, io};

use elsewhere::{proxy, quic};
use quinn::Endpoint;
use tokio::net::TcpStream;
use tower_socks::Client;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let proxy = proxy().await?;
    let (server, certificate) = quic::server()?;
    let target = server.local_addr()?;
    tokio::spawn(echo(server));

    let control = TcpStream::connect(proxy).await?;
    let socket = Client::new().associate(control).await?;
    let client = quic::client(socket, certificate)?;
    let connection = client.connect(target, quic::NAME)?.await?;
    let (mut send, mut receive) = connection.open_bi().await?;
    // Enough for many datagrams in flight, in both directions.
    let sent: Vec<u8> = (0..1_000_000_u32).map(|i| (i % 251) as u8).collect();
    let message = sent.clone();
    let sending = tokio::spawn(async move {
        send.write_all(&message).await?;
        send.finish()?;
        Ok::<_, io::Error>(())
    });
    let heard = receive.read_to_end(sent.len()).await?;
    sending.await??;
    assert!(heard == sent, "the echo differs");
    println!("{} octets came back through the proxy", heard.len());

    // The server has seen the proxy's socket, and not ours.
    let mut seen = String::new();
    let mut note = connection.accept_uni().await?;
    seen.push_str(&String::from_utf8(note.read_to_end(100).await?)?);
    println!("and the server saw {seen}");
    assert_ne!(seen, client.local_addr()?.to_string());
    connection.close(0_u32.into(), b"done");
    client.wait_idle().await;
    Ok(())
}

/// Sends back what comes on a stream, and then tells the client where its datagrams come from.
async fn echo(server: Endpoint) -> Result<(), Box<dyn Error + Send + Sync>> {
    while let Some(incoming) = server.accept().await {
        let connection = incoming.await?;
        let (mut send, mut receive) = connection.accept_bi().await?;
        send.write_all(&receive.read_to_end(10_000_000).await?)
            .await?;
        send.finish()?;
        let mut note = connection.open_uni().await?;
        note.write_all(connection.remote_address().to_string().as_bytes())
            .await?;
        note.finish()?;
        connection.closed().await;
    }
    Ok(())
}
