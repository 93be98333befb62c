//! A layer of your own as a closure: refuses a user, and counts the tunnels that are open.
//!
//! ```text
//! cargo run --example layer_closure
//! ```
//!
//! It serves on a free port, plays the clients and the target too, prints what they got, and ends.
//! `layer_type` is the same layer as types with names.

#![allow(clippy::print_stdout)]

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
};
use tower::ServiceBuilder;
use tower_socks::{
    AuthLayer, BoxError, Client, Connector, HandshakeLayer, Refusal, TunnelExt, UserPass, Users,
    error::reply_code,
    layer::request_fn::request_fn,
    proto::{Credentials, ReplyCode},
    serve,
};

// task: layer
/// Counts one tunnel for as long as it lives.
struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
// end

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let users: Users = [("joe", "one"), ("jane", "two")].into_iter().collect();
    let open = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&open);
    // task: layer
    let layer = request_fn(async move |request, next| {
        if request.identity.name() == Some(b"jane") {
            return Err(Refusal::not_allowed("not today").into());
        }
        let tunnel = next.run(request).await?;
        count.fetch_add(1, Ordering::Relaxed);
        Ok(tunnel.hold(Open(count)))
    });
    // end
    let stack = ServiceBuilder::new()
        .layer(HandshakeLayer::new())
        .layer(AuthLayer::new(UserPass::new(users)))
        .layer(layer)
        .service(Connector::direct());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let proxy = listener.local_addr()?;
    tokio::spawn(serve(listener, stack).into_future());

    let target = TcpListener::bind("127.0.0.1:0").await?;
    let address = target.local_addr()?;
    let mut first = connect(proxy, "joe", "one", address).await?;
    let second = connect(proxy, "joe", "one", address).await?;
    println!("joe has {} tunnels", open.load(Ordering::Relaxed));
    assert_eq!(open.load(Ordering::Relaxed), 2);

    let Err(refused) = connect(proxy, "jane", "two", address).await else {
        return Err("jane got a tunnel".into());
    };
    println!("jane has none: {refused}");
    assert_eq!(reply_code(&*refused), ReplyCode::NOT_ALLOWED);

    // Once the target has closed, the tunnel ends with the client's own end.
    let (first_at_target, _) = target.accept().await?;
    drop(first_at_target);
    first.read_to_end(&mut Vec::new()).await?;
    drop(first);
    while open.load(Ordering::Relaxed) > 1 {
        tokio::task::yield_now().await;
    }
    println!(
        "joe has closed one, and has {}",
        open.load(Ordering::Relaxed)
    );
    drop(second);
    Ok(())
}

async fn connect(
    proxy: SocketAddr,
    name: &str,
    password: &str,
    target: SocketAddr,
) -> Result<TcpStream, BoxError> {
    let credentials = Credentials::new(name, password).ok_or("longer than 255 octets")?;
    let client = Client::new().credentials(credentials);
    let stream = TcpStream::connect(proxy).await?;
    Ok(client.connect(stream, target).await?.into_inner())
}
