//! Bulk data is spliced with limits in the stack as well.

use std::{num::NonZeroU32, time::Duration};

use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
};
use tower::ServiceBuilder;
use tower_socks::{
    AuthLayer, Connector, HandshakeLayer, NoAuth, Request,
    layer::{
        key,
        limit::{ConcurrentTunnels, LimitLayer, RequestRate},
        meter::{Bandwidth, ByteQuota, MeterLayer},
        track::OpenTunnels,
    },
    serve,
};

use crate::support::{
    Script, connect_to,
    splice::{alone, is_spliced},
};

/// The limits of a stack: for everyone, or for nobody.
async fn moves_bulk_data(limited: bool) {
    let whose = move |request: &Request| limited.then(|| key::client(request)).flatten();
    let stack = ServiceBuilder::new()
        .layer(HandshakeLayer::new())
        .layer(AuthLayer::new(NoAuth))
        .layer(OpenTunnels::new().layer())
        .layer(LimitLayer::new(RequestRate::per_second(
            NonZeroU32::MAX,
            whose,
        )))
        .layer(LimitLayer::new(ConcurrentTunnels::new(9, whose)))
        .layer(MeterLayer::new(Bandwidth::new(whose).down(1 << 40)))
        .layer(MeterLayer::new(ByteQuota::new(
            1 << 40,
            Duration::from_secs(60),
            whose,
        )))
        .service(Connector::direct());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = listener.local_addr().unwrap();
    let server = tokio::spawn(serve(listener, stack).into_future());
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(proxy).await.unwrap();
    client.say(b"\x05\x01\x00").await;
    client.hear(b"\x05\x00").await;
    let request = connect_to(&target.local_addr().unwrap().to_string());
    client.say(&request).await;
    let (mut outside, _) = target.accept().await.unwrap();
    client.read_exact(&mut [0; 10]).await.unwrap();

    is_spliced(&mut outside, &mut client, &format!("limited: {limited}")).await;
    server.abort();
}

#[test]
fn with_limits_and_without() {
    for limited in [false, true] {
        alone(move || moves_bulk_data(limited));
    }
}
