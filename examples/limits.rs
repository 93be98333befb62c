//! Limits: tower's own on the rate of requests, and a layer of ours for how many tunnels a user may
//! have open.
//!
//! The clients and the target are in this program too:
//!
//! ```text
//! cargo run --example limits
//! ```

#![allow(clippy::print_stdout, clippy::expect_used)]

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tower::{ServiceBuilder, buffer::BufferLayer, layer::layer_fn, service_fn, util::ServiceExt};
use tower_socks::{
    AuthLayer, BoxError, Client, Connector, HandshakeLayer, Refusal, Request, Traffic, Tunnel,
    UserPass, Users,
    client::ClientFault,
    io::ClientStream,
    proto::{Address, Credentials, ReplyCode},
    serve,
};

/// How many tunnels each user may have.
const TUNNELS: usize = 2;

/// A tunnel with the permit that it needs. The permit is free again when the tunnel ends.
struct Permitted<T>(T, OwnedSemaphorePermit);

impl<T: Tunnel> Tunnel for Permitted<T> {
    fn bound(&self) -> Address {
        self.0.bound()
    }

    async fn run<W: ClientStream>(self, client: W) -> io::Result<Traffic> {
        let Self(tunnel, _permit) = self;
        tunnel.run(client).await
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    // The layer: a semaphore for each user, a permit for each request, and a refusal without one.
    let users: Arc<Mutex<HashMap<Vec<u8>, Arc<Semaphore>>>> = Arc::default();
    let per_user = layer_fn(move |inner: Connector| {
        let users = Arc::clone(&users);
        service_fn(move |request: Request| {
            let name = request.identity.name().unwrap_or_default().to_vec();
            let mut users = users.lock().unwrap_or_else(PoisonError::into_inner);
            let new = || Arc::new(Semaphore::new(TUNNELS));
            let permit = users
                .entry(name)
                .or_insert_with(new)
                .clone()
                .try_acquire_owned();
            let inner = inner.clone();
            async move {
                let permit = permit.map_err(|_| Refusal::not_allowed("too many tunnels"))?;
                let tunnel = inner.oneshot(request).await?;
                Ok::<_, BoxError>(Permitted(tunnel, permit))
            }
        })
    });

    let users: Users = [("joe", "one"), ("jane", "two")].into_iter().collect();
    let stack = ServiceBuilder::new()
        .layer(HandshakeLayer::new())
        .layer(AuthLayer::new(UserPass::new(users)))
        .layer(BufferLayer::new(1024)) // a limit of tower's is shared by way of a buffer
        .rate_limit(100, Duration::from_secs(1)) // requests of all users together
        .layer(per_user)
        .service(Connector::direct());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let proxy = listener.local_addr()?;
    tokio::spawn(serve(listener, stack).into_future());

    let target = target().await?;
    let mut first = open(proxy, ("joe", "one"), target).await?;
    let _second = open(proxy, ("joe", "one"), target).await?;
    println!("joe has two tunnels");

    let third = open(proxy, ("joe", "one"), target).await.err();
    let third = third.ok_or("joe got a third tunnel")?;
    println!("and no third one: {third}");
    assert_eq!(third.fault(), ClientFault::Refused);
    assert_eq!(
        tower_socks::error::reply_code(&third),
        ReplyCode::NOT_ALLOWED
    );

    open(proxy, ("jane", "two"), target).await?;
    println!("jane is not concerned");

    // The target closes once we have; then the tunnel is over, and its permit free again.
    first.shutdown().await?;
    first.read_to_end(&mut Vec::new()).await?;
    while open(proxy, ("joe", "one"), target).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("joe has closed one, and has another");
    Ok(())
}

async fn open(
    proxy: SocketAddr,
    (name, password): (&str, &str),
    target: SocketAddr,
) -> Result<TcpStream, tower_socks::ClientError> {
    let credentials = Credentials::new(name, password).expect("not too long");
    let stream = TcpStream::connect(proxy).await.expect("the proxy is there");
    let client = Client::new().credentials(credentials);
    Ok(client.connect(stream, target).await?.into_inner())
}

/// Reads to the end and closes.
async fn target() -> Result<SocketAddr, BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move { stream.read_to_end(&mut Vec::new()).await });
        }
    });
    Ok(address)
}
