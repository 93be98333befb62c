//! One port for SOCKS5, SOCKS4 and HTTP, with one stack behind it: a client of each kind gets to the same target.
//!
//! ```text
//! cargo run --example one_port --features http-server
//! ```

#![allow(clippy::print_stdout)]

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
};
use tower::ServiceBuilder;
use tower_socks::{
    AuthLayer, BoxError, Connector, HandshakeLayer, NoAuth,
    layer::{http::HttpLayer, mixed::MixedLayer, request_fn::request_fn, socks4::Socks4Layer},
    serve,
};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    // Each protocol is there only if its layer is given: a list in a configuration can choose.
    let protocols = MixedLayer::new()
        .socks5(HandshakeLayer::new())
        .socks4(Socks4Layer::new())
        .http(HttpLayer::new());
    let stack = ServiceBuilder::new()
        .layer(protocols)
        .layer(AuthLayer::new(NoAuth))
        .layer(request_fn(async |request, next| {
            println!("{} asks for {}", request.protocol, request.target);
            next.run(request).await
        }))
        .service(Connector::direct());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let proxy = listener.local_addr()?;
    tokio::spawn(serve(listener, stack).into_future());

    let echo = TcpListener::bind("127.0.0.1:0").await?;
    let target = echo.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut client, _)) = echo.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = client.split();
                copy(&mut read, &mut write).await
            });
        }
    });

    let port = target.port().to_be_bytes();
    let socks5 = [b"\x05\x01\x00\x05\x01\x00\x01\x7f\0\0\x01", &port[..]].concat();
    let socks4 = [b"\x04\x01", &port[..], b"\x7f\0\0\x01\0"].concat();
    let http = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n").into_bytes();
    for (said, success) in [
        (socks5, &b"\x05\x00\x05\x00"[..]),
        (socks4, b"\x00\x5a"),
        (http, b"HTTP/1.1 200"),
    ] {
        let mut client = TcpStream::connect(proxy).await?;
        client.write_all(&said).await?;
        client.write_all(b"hello").await?;
        client.shutdown().await?;
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).await?;
        assert!(heard.starts_with(success) && heard.ends_with(b"hello"));
    }
    println!("and each of them has had its echo");
    Ok(())
}
