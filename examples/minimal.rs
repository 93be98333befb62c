//! The smallest proxy: anyone who can reach it may use it, so it listens on loopback. It goes to
//! public addresses only.
//!
//! ```text
//! cargo run --release --example minimal
//! curl --proxy socks5h://127.0.0.1:1080 http://example.com/
//! ```

use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_socks::{
    AclLayer, AuthLayer, BoxError, Connector, HandshakeLayer, NoAuth, Rules, serve,
    server::SessionLimit,
};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let stack = ServiceBuilder::new()
        .layer(HandshakeLayer::new())
        .layer(AuthLayer::new(NoAuth))
        .layer(AclLayer::new(Rules::default()))
        .service(Connector::direct());
    let listener = TcpListener::bind("127.0.0.1:1080").await?;
    serve(listener, stack)
        .sessions(SessionLimit::new(10_000))
        .await
}
