//! A datagram filter of your own: what goes to a name server does not get through UDP ASSOCIATE.
//!
//! ```text
//! cargo run --example datagrams
//! ```
//!
//! It serves on a free port, plays the client and two targets too, prints who has answered, and ends.

#![allow(clippy::print_stdout)]

use std::{net::SocketAddr, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream, UdpSocket},
    time::timeout,
};
use tower::{ServiceBuilder, ServiceExt};
use tower_socks::{
    AuthLayer, BoxError, Client, Connector, HandshakeLayer, NoAuth,
    connector::associate::{Associate, MakeDirect},
    datagram::DatagramTransport,
    io::Direction,
    proto::Address,
    serve,
};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let (echo, name_server) = (echo().await?, echo().await?);
    // Port 53 is nobody's to open here, so the name server has another.
    let port = name_server.port();
    // task: datagrams
    let transports = MakeDirect::new().map_response(move |transport| {
        transport.filter(move |direction, address, _| {
            direction == Direction::Down || address.port() != port
        })
    });
    // end
    let stack = ServiceBuilder::new()
        .layer(HandshakeLayer::new())
        .layer(AuthLayer::new(NoAuth))
        .service(Connector::direct().with_associate(Associate::with_transports(transports)));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let proxy = listener.local_addr()?;
    tokio::spawn(serve(listener, stack).into_future());

    let control = TcpStream::connect(proxy).await?;
    let mut socket = Client::new().associate(control).await?;
    let mut heard = [0; 16];
    socket.send_to(b"ping", name_server).await?;
    socket.send_to(b"pong", echo).await?;
    let (len, source) = socket.recv_from(&mut heard).await?;
    let answer = heard.get(..len).unwrap_or_default();
    println!("{source} has answered {}", answer.escape_ascii());
    assert_eq!((answer, source), (&b"pong"[..], Address::Ip(echo)));

    let silence = timeout(Duration::from_millis(100), socket.recv_from(&mut heard)).await;
    assert!(silence.is_err(), "an answer: {silence:?}");
    println!("{name_server} has heard nothing");
    Ok(())
}

/// Sends back what comes.
async fn echo() -> Result<SocketAddr, BoxError> {
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    let address = socket.local_addr()?;
    tokio::spawn(async move {
        let mut payload = [0; 16];
        while let Ok((len, client)) = socket.recv_from(&mut payload).await {
            let answer = payload.get(..len).unwrap_or_default();
            let _ = socket.send_to(answer, client).await;
        }
    });
    Ok(address)
}
