//! A WebSocket through a SOCKS5 proxy: tungstenite takes any stream, and a connector gives one.
//!
//! ```text
//! cargo run --release --bin websocket      # in examples/elsewhere
//! ```
//!
//! Proxy and server are in this program too. It prints the echo, and ends.

use std::error::Error;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpListener;
use tokio_tungstenite::{accept_async, client_async, tungstenite::Message};
use tower::ServiceExt;
use tower_socks::{connector::upstream::Socks5Upstream, proto::Address};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let proxy = elsewhere::proxy().await?;
    let server = TcpListener::bind("127.0.0.1:0").await?;
    let target = server.local_addr()?;
    tokio::spawn(async move {
        let (stream, _) = server.accept().await?;
        let mut socket = accept_async(stream).await?;
        while let Some(Ok(message)) = socket.next().await {
            socket.send(message).await?;
        }
        Ok::<_, Box<dyn Error + Send + Sync>>(())
    });

    let stream = Socks5Upstream::new(proxy)
        .oneshot(Address::from(target))
        .await?;
    let (mut socket, _) = client_async(format!("ws://{target}/"), stream).await?;
    socket.send(Message::text("over the proxy")).await?;
    let echo = socket.next().await.ok_or("closed")??;
    println!("the server says: {echo}");
    assert_eq!(echo, Message::text("over the proxy"));
    socket.close(None).await?;
    Ok(())
}
