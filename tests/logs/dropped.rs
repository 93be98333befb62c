//! A session that is dropped before its end has its line, with what it has moved.

use std::{sync::Arc, time::Duration};

use tokio::{net::TcpListener, sync::Notify};
use tower::ServiceExt;
use tower_socks::{
    Connector, NoAuth, TunnelExt,
    io::{Direction, Meter},
    serve,
};
use tracing::Level;

use crate::support::{
    CONNECT, Client, HELLO, HELLO_OK, Script, connect_to,
    log::Log,
    settle, stack,
    targets::{endless, targets},
    within,
};

fn line(log: &Log) -> String {
    let mut lines = log.lines();
    lines.retain(|line| line.contains("session ended"));
    assert_eq!(lines.len(), 1, "{lines:#?}");
    lines.remove(0)
}

fn has(line: &str, parts: &[&str]) {
    for part in parts {
        assert!(line.contains(part), "no {part} in {line}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_that_is_dropped_says_what_has_moved() {
    let (log, _guard) = Log::start(Level::DEBUG);
    let (dialer, mut dialled) = targets();
    let mut client = Client::new(stack(NoAuth, dialer)).connected().await;
    let (_, mut target) = dialled.recv().await.unwrap();
    client.io.say(b"four").await;
    target.hear(b"four").await;
    target.say(b"sixsix").await;
    client.io.hear(b"sixsix").await;
    client.session.abort();
    settle().await;
    has(
        &line(&log),
        &[
            "INFO",
            "outcome=\"dropped\"",
            "up=4",
            "down=6",
            "command=CONNECT",
            "target=192.0.2.1:80",
        ],
    );
}

#[tokio::test(start_paused = true)]
async fn one_that_has_moved_nothing_yet_is_debug() {
    let (log, _guard) = Log::start(Level::DEBUG);
    let (dialer, mut events) = endless();
    let mut client = Client::new(stack(NoAuth, dialer));
    client.io.say(&[HELLO, CONNECT].concat()).await;
    client.io.hear(HELLO_OK).await;
    assert_eq!(events.recv().await, Some("begun"));
    client.session.abort();
    settle().await;
    has(&line(&log), &["DEBUG", "outcome=\"dropped\"", "up=0"]);
}

/// Panics at the second octet.
struct Panics;

impl Meter for Panics {
    fn moved(&mut self, _: Direction, bytes: usize) {
        assert!(bytes == 1, "this is on purpose");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_has_a_line_as_well() {
    let (log, _guard) = Log::start(Level::DEBUG);
    let (dialer, mut dialled) = targets();
    let dialer = dialer.map_response(|tunnel| tunnel.metered(Panics));
    let mut client = Client::new(stack(NoAuth, dialer)).connected().await;
    let (_, mut target) = dialled.recv().await.unwrap();
    client.io.say(b"1").await;
    target.hear(b"1").await;
    client.io.say(b"two").await;
    settle().await;
    has(&line(&log), &["INFO", "outcome=\"panicked\"", "up=1"]);
}

#[tokio::test]
async fn the_drain_limit_leaves_a_line_for_each_session() {
    within(async {
        let (log, _guard) = Log::start(Level::INFO);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = listener.local_addr().unwrap();
        let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        let server = serve(listener, stack(NoAuth, Connector::direct()))
            .drain_limit(Duration::from_millis(10))
            .with_graceful_shutdown(async move { stopped.notified().await });
        let running = tokio::spawn(server.into_future());
        let mut open = Vec::new();
        for _ in 0..3 {
            let mut client = tokio::net::TcpStream::connect(proxy).await.unwrap();
            client.say(HELLO).await;
            client.hear(HELLO_OK).await;
            client
                .say(&connect_to(&target.local_addr().unwrap().to_string()))
                .await;
            let (mut far, _) = target.accept().await.unwrap();
            tokio::io::AsyncReadExt::read_exact(&mut client, &mut [0; 10])
                .await
                .unwrap();
            client.say(b"four").await;
            far.hear(b"four").await;
            open.push((client, far));
        }
        stop.notify_one();
        running.await.unwrap().unwrap();
        let mut lines = log.lines();
        lines.retain(|line| line.contains("session ended"));
        assert_eq!(lines.len(), 3, "{lines:#?}");
        for line in lines {
            has(&line, &["INFO", "outcome=\"dropped\"", "up=4", "down=0"]);
        }
    })
    .await;
}
