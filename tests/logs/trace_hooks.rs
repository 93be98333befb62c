//! What `TraceLayer` writes unless it is told otherwise.

use std::time::Duration;

use tokio::io::AsyncReadExt;
use tower::{Layer, ServiceExt};
use tower_socks::{
    AuthLayer, HandshakeLayer, NoAuth, Refusal, Request, Tunnel,
    io::PrefixedStream,
    layer::trace::TraceLayer,
    proto::{Address, Command, ReplyCode},
    relay::Relay,
    session::Connected,
};
use tracing::Level;

use crate::support::{
    CONNECT, HELLO, HELLO_OK, exchange, failure,
    log::Log,
    targets::{BOUND, failing, targets},
};

/// The lines inside of a request's span.
fn request_lines(log: &Log) -> Vec<String> {
    let mut lines = log.lines();
    lines.retain(|line| line.contains(" request{"));
    lines
}

fn request(command: Command, target: &str) -> Request {
    let mut request = Request::new(command, target.parse().unwrap());
    request.peer = "203.0.113.5:50000".parse().unwrap();
    request
}

#[track_caller]
fn has(line: &str, all: &[&str]) {
    for part in all {
        assert!(line.contains(part), "no {part} in {line}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_leaves_three_lines_with_the_names_of_opentelemetry() {
    let (log, _guard) = Log::start(Level::DEBUG);
    let (service, mut incoming) = targets();
    let service = TraceLayer::new().layer(service);
    let request = request(Command::CONNECT, "example.com:80");
    let tunnel = service.oneshot(request).await.unwrap();
    let bound = tunnel.bound();
    assert_eq!(bound, BOUND.parse().unwrap());
    let (client, near) = tokio::io::duplex(64);
    drop((client, incoming.recv().await.unwrap()));
    let early = PrefixedStream::with_bytes(near, *b"GET /");
    // Nobody reads what the client said.
    let outcome = tunnel.run(early).await;

    let lines = request_lines(&log);
    assert_eq!(lines.len(), 3, "{lines:#?}");
    let span = [
        "client.address=203.0.113.5",
        "client.port=50000",
        "server.address=example.com",
        "server.port=80",
        "network.transport=\"tcp\"",
    ];
    for line in &lines {
        has(line, &span);
    }
    has(&lines[0], &["request started"]);
    has(
        &lines[1],
        &[
            "request succeeded",
            "bound=198.51.100.7:4321",
            "socks.reply_code=0",
        ],
    );
    assert!(outcome.is_err());
    has(
        &lines[2],
        &[
            "tunnel broken",
            "up=0",
            "down=0",
            "error=the target's stream broke off",
        ],
    );
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_that_ends_says_how_much_it_has_moved() {
    let (log, _guard) = Log::start(Level::DEBUG);
    let (service, mut incoming) = targets();
    let service = TraceLayer::new().layer(service);
    let request = request(Command::CONNECT, "[2001:db8::1]:443");
    let tunnel = service.oneshot(request).await.unwrap();
    let (_, mut target) = incoming.recv().await.unwrap();
    let (client, near) = tokio::io::duplex(64);
    drop(client);
    let hear = tokio::spawn(async move {
        let mut heard = Vec::new();
        target.read_to_end(&mut heard).await.unwrap();
        heard
    });
    tunnel
        .run(PrefixedStream::with_bytes(near, *b"bye"))
        .await
        .unwrap();
    assert_eq!(hear.await.unwrap(), b"bye");
    let lines = request_lines(&log);
    has(
        &lines[2],
        &[
            "tunnel closed",
            "up=3",
            "down=0",
            "server.address=2001:db8::1",
        ],
    );
}

#[tokio::test(start_paused = true)]
async fn an_idle_tunnel_says_why_it_ended() {
    let (log, _guard) = Log::start(Level::DEBUG);
    let service = tower::service_fn(|_: Request| async {
        let relay = Relay::new().idle_timeout(Duration::from_secs(5));
        let (near, far) = tokio::io::duplex(64);
        tokio::spawn(async move {
            std::future::pending::<()>().await;
            drop(far)
        });
        let connected = Connected::new(near, Address::UNSPECIFIED);
        Ok::<_, tower_socks::BoxError>(connected.with_relay(relay))
    });
    let service = TraceLayer::new().layer(service);
    let tunnel = service
        .oneshot(request(Command::CONNECT, "192.0.2.1:80"))
        .await
        .unwrap();
    let (_client, near) = tokio::io::duplex(64);
    tunnel.run(PrefixedStream::new(near)).await.unwrap_err();
    has(
        &request_lines(&log)[2],
        &[
            "tunnel broken",
            "error=idle for 5s (idle_timeout)",
            "open=5",
        ],
    );
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_refused_leaves_two_lines() {
    let (log, _guard) = Log::start(Level::DEBUG);
    let service = failing(|| Refusal::not_allowed("not today"));
    let service = TraceLayer::new().layer(service);
    let request = request(Command::UDP_ASSOCIATE, "0.0.0.0:0");
    service.oneshot(request).await.err().unwrap();
    let lines = request_lines(&log);
    assert_eq!(lines.len(), 2, "{lines:#?}");
    has(
        &lines[1],
        &["request failed", "socks.reply_code=2", "error=not today"],
    );
    has(&lines[1], &["network.transport=\"udp\""]);
}

#[tokio::test(start_paused = true)]
async fn the_reply_code_is_the_one_that_was_sent() {
    let (log, _guard) = Log::start(Level::DEBUG);
    let service = failing(|| Refusal::not_allowed("a secret"));
    let stack = HandshakeLayer::new()
        .reply_code(|_| ReplyCode::HOST_UNREACHABLE)
        .layer(AuthLayer::new(NoAuth).layer(TraceLayer::new().layer(service)));
    let heard = exchange(stack, &[HELLO, CONNECT].concat()).await;
    assert_eq!(heard, [HELLO_OK, &failure(4)].concat());
    // Inside of the session's span.
    let mut lines = log.lines();
    lines.retain(|line| line.contains(":request{"));
    let sent = ["socks.reply_code=4", "code=host unreachable", "a secret"];
    has(&lines[1], &sent);
}
