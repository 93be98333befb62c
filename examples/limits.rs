//! Limits: tower's own on the rate of requests, and a `Limiter` of your own for how many tunnels a user may
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
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tower::{ServiceBuilder, buffer::BufferLayer};
use tower_socks::{
    AuthLayer, BoxError, Client, Connector, HandshakeLayer, Refusal, Request, UserPass, Users,
    client::ClientFault,
    layer::limit::{Admission, LimitLayer, Limiter},
    proto::{Credentials, ReplyCode},
    serve,
};

/// How many tunnels each user may have.
const TUNNELS: usize = 2;

/// A semaphore for each user, and a permit for each tunnel, which `LimitLayer` holds until that ends.
#[derive(Clone, Default)]
struct TunnelsPerUser(Arc<Mutex<HashMap<Vec<u8>, Arc<Semaphore>>>>);

impl Limiter for TunnelsPerUser {
    type Permit = OwnedSemaphorePermit;

    fn admit(&self, request: &Request) -> Admission<OwnedSemaphorePermit> {
        let name = request.identity.name().unwrap_or_default().to_vec();
        let mut users = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Semaphore::new(TUNNELS));
        let user = Arc::clone(users.entry(name).or_insert_with(new));
        match user.try_acquire_owned() {
            Ok(permit) => Admission::Permit(permit),
            Err(_) => Admission::Refused(Refusal::not_allowed("too many tunnels")),
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let users: Users = [("joe", "one"), ("jane", "two")].into_iter().collect();
    let stack = ServiceBuilder::new()
        .layer(HandshakeLayer::new())
        .layer(AuthLayer::new(UserPass::new(users)))
        .layer(BufferLayer::new(1024)) // a limit of tower's is shared through a buffer
        .rate_limit(100, Duration::from_secs(1)) // requests of all users together
        .layer(LimitLayer::new(TunnelsPerUser::default()))
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
    println!("jane has one of her own");

    // The target closes once we have; then the tunnel has ended, and its permit is free again.
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
