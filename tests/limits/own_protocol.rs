//! A protocol from outside the crate: what it tells of its connections is what the server counts by.

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tower::service_fn;
use tower_socks::{
    BoxError, Identity, Request,
    error::reply_code,
    proto::{Address, Command, ReplyCode},
    serve,
    server::{HandshakeLimit, SessionLimit},
    session::Accepted,
};

use super::senders::{Port, closed_at_once, port};
use crate::support::{Script, settle, within};

/// Reads a request that is a user's name of one octet, answers whether it is counted, and waits for the client to leave.
async fn session(mut accepted: Accepted<DuplexStream>, counts: bool) -> Result<(), BoxError> {
    let mut name = [0];
    accepted.io.read_exact(&mut name).await?;
    let mut request = Request::new(Command::CONNECT, Address::UNSPECIFIED);
    request.identity = match name {
        [b'-'] => Identity::anonymous(),
        name => Identity::named(name),
    };
    request.extensions = accepted.extensions;
    if counts && let Err(refusal) = request.count_connection() {
        assert_eq!(reply_code(&refusal), ReplyCode::NOT_ALLOWED);
        accepted.io.write_all(b"refused").await?;
        return Err(refusal.into());
    }
    accepted.io.write_all(b"served").await?;
    accepted.io.read_exact(&mut name).await?;
    Ok(())
}

/// A port with two sessions for each user, and one connection of each client in the handshake.
fn start(counts: bool) -> Port {
    let (port, arrivals) = port();
    let stack = service_fn(move |accepted| session(accepted, counts));
    let server = serve(arrivals, stack)
        .sessions(SessionLimit::new(100).per_user(2))
        .handshakes(HandshakeLimit::per_client(1));
    tokio::spawn(server.into_future());
    port
}

async fn asks(port: &Port, name: &[u8], heard: &[u8]) -> DuplexStream {
    let mut client = port.from("192.0.2.1:40000");
    client.say(name).await;
    client.hear(heard).await;
    client
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_in_the_handshake_until_it_is_counted() {
    within(async {
        let port = start(true);
        let _first = asks(&port, b"-", b"served").await;
        let mut slow = port.from("192.0.2.1:40000");
        closed_at_once(port.from("192.0.2.1:40000")).await;
        slow.say(b"-").await;
        slow.hear(b"served").await;
        let _next = asks(&port, b"-", b"served").await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn one_that_is_never_counted_is_in_the_handshake_to_its_end() {
    within(async {
        let port = start(false);
        let _first = asks(&port, b"-", b"served").await;
        closed_at_once(port.from("192.0.2.1:40000")).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_user_has_so_many_and_no_more() {
    within(async {
        let port = start(true);
        let first = asks(&port, b"j", b"served").await;
        let _second = asks(&port, b"j", b"served").await;
        asks(&port, b"j", b"refused").await.hear_end().await;
        let _other = asks(&port, b"k", b"served").await;
        drop(first);
        settle().await;
        let _third = asks(&port, b"j", b"served").await;
    })
    .await;
}
