//! Three hops of mixed kinds: SOCKS5 with a password, HTTP CONNECT, SOCKS5 in one round trip; and a
//! server whose clients all go through that chain.
//!
//! All of them are in this program, and so is a target that says where a connection came from:
//!
//! ```text
//! cargo run --example chain --features http-connect
//! ```

#![allow(clippy::print_stdout)]

use std::net::SocketAddr;

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tower::ServiceBuilder;
use tower::ServiceExt;
use tower_socks::{
    AuthLayer, BoxError, Client, Connector, HandshakeLayer, NoAuth, UserPass, Users,
    connector::upstream::{HttpUpstream, Socks5Upstream},
    proto::{Address, Credentials},
    serve,
    server::AcceptService,
};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let users: Users = [("joe", "secret")].into_iter().collect();
    let first = start(
        ServiceBuilder::new()
            .layer(HandshakeLayer::new())
            .layer(AuthLayer::new(UserPass::new(users)))
            .service(Connector::direct()),
    )
    .await?;
    let second = http_proxy().await?;
    let third = start(
        ServiceBuilder::new()
            .layer(HandshakeLayer::new())
            .layer(AuthLayer::new(NoAuth))
            .service(Connector::direct()),
    )
    .await?;

    // Read it from the end: to `third`, over `second`, over `first`, which is dialled from here.
    let credentials = Credentials::new("joe", "secret").ok_or("longer than 255 octets")?;
    let hop = Socks5Upstream::new(first).client(Client::new().credentials(credentials));
    let hop = HttpUpstream::new(second).via(hop);
    let chain = Socks5Upstream::new(third)
        .client(Client::new().optimistic())
        .via(hop);

    // By itself it is a connector for anything that names a target.
    let target = target().await?;
    let mut stream = chain.clone().oneshot(target.clone()).await?;
    let mut heard = String::new();
    stream.read_to_string(&mut heard).await?;
    println!("through the chain: {heard}");
    assert_eq!(heard, format!("hello {}", stream.bound()));

    // In a server it is the connector for every client.
    let server = start(
        ServiceBuilder::new()
            .layer(HandshakeLayer::new())
            .layer(AuthLayer::new(NoAuth))
            .service(Connector::upstream(chain)),
    )
    .await?;
    let stream = TcpStream::connect(server).await?;
    let mut stream = Client::new().connect(stream, target).await?;
    heard.clear();
    stream.read_to_string(&mut heard).await?;
    println!("through a server in front of it: {heard}");
    assert_eq!(heard, format!("hello {}", stream.bound()));
    Ok(())
}

async fn start(stack: impl AcceptService<TcpStream>) -> Result<SocketAddr, BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(serve(listener, stack).into_future());
    Ok(address)
}

/// Says hello to each client.
async fn target() -> Result<Address, BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((mut stream, peer)) = listener.accept().await {
            let _ = stream.write_all(format!("hello {peer}").as_bytes()).await;
        }
    });
    // By name: the last proxy of the chain resolves it.
    Ok(Address::new("localhost", port)?)
}

/// As much of an HTTP proxy as this takes.
async fn http_proxy() -> Result<SocketAddr, BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(connect(BufReader::new(client)));
        }
    });
    Ok(address)
}

async fn connect(mut client: BufReader<TcpStream>) -> Result<(), BoxError> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if client.read_line(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let authority = head.split(' ').nth(1).ok_or("not a request")?;
    let mut target = TcpStream::connect(authority).await?;
    client
        .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
        .await?;
    copy_bidirectional(&mut client, &mut target).await?;
    Ok(())
}
