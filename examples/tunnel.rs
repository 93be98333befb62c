//! A tunnel of your own, around any other: it ends after some time, whatever still flows.
//!
//! ```text
//! cargo run --example tunnel
//! ```
//!
//! It serves on a free port, plays the client and a target that talks for ever, prints how long that took, and
//! ends. What only holds a value, counts bytes or looks at the outcome needs no type: `TunnelExt` has it.

#![allow(clippy::print_stdout)]

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, timeout},
};
use tower::ServiceBuilder;
use tower_socks::{
    AuthLayer, BoxError, Client, Connector, HandshakeLayer, NoAuth, Traffic, Tunnel,
    io::ClientStream, proto::Address, serve,
};

// task: tunnel
struct Aged<T>(T, Duration);

impl<T: Tunnel> Tunnel for Aged<T> {
    fn bound(&self) -> Address {
        self.0.bound()
    }

    async fn run<W: ClientStream>(self, client: W) -> io::Result<Traffic> {
        let outcome = timeout(self.1, self.0.run(client)).await;
        outcome.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}
// end

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let age = Duration::from_millis(200);
    let stack = ServiceBuilder::new()
        .layer(HandshakeLayer::new())
        .layer(AuthLayer::new(NoAuth))
        .map_response(move |tunnel| Aged(tunnel, age))
        .service(Connector::direct());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let proxy = listener.local_addr()?;
    tokio::spawn(serve(listener, stack).into_future());

    let target = TcpListener::bind("127.0.0.1:0").await?;
    let address = target.local_addr()?;
    tokio::spawn(async move {
        let (mut stream, _) = target.accept().await?;
        while stream.write_all(b"and ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok::<_, io::Error>(())
    });

    let stream = TcpStream::connect(proxy).await?;
    let mut stream = Client::new().connect(stream, address).await?.into_inner();
    let started = Instant::now();
    let mut heard = Vec::new();
    // A tunnel that is cut may end with a reset.
    let _ = stream.read_to_end(&mut heard).await;
    let open = started.elapsed();
    println!("{} octets, and the end after {open:?}", heard.len());
    assert!(heard.starts_with(b"and "));
    assert!(open < Duration::from_secs(10), "it never ended: {open:?}");
    Ok(())
}
