//! Datagrams in the stream, through each door: whatever the request was, it is an association that is judged, bounded,
//! counted and listed, together with the tunnels of other commands.

use std::{
    io,
    task::{Context, Poll, Waker},
    time::Duration,
};

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    time::Instant,
};
use tower_socks::{
    datagram::{DatagramTransport, Datagrams},
    proto::Command,
};
use tracing::Level;

use crate::{
    door::{Answer, Door},
    stage::{HOME, JOE, Knobs, Stage, TARGET, rest, rules},
    support::{Script, log::Log, settle},
};

const SECOND: Duration = Duration::from_secs(1);

/// Where UDP over TCP is asked for.
const ASKED: (&str, u16) = ("sp.v2.udp-over-tcp.arpa", 0);

/// A transport whose destinations echo.
#[derive(Debug, Default)]
pub struct Echo {
    waiting: Datagrams,
    waker: Option<Waker>,
}

impl DatagramTransport for Echo {
    fn poll_send(&mut self, _: &mut Context<'_>, out: &mut Datagrams) -> Poll<io::Result<()>> {
        for (destination, payload) in out.iter() {
            self.waiting.push(destination.clone(), payload);
        }
        out.clear();
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>, into: &mut Datagrams) -> Poll<io::Result<()>> {
        if self.waiting.is_empty() {
            self.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        for (source, payload) in self.waiting.iter() {
            into.push(source.clone(), payload);
        }
        self.waiting.clear();
        Poll::Ready(Ok(()))
    }
}

/// ISCONNECT, and 192.0.2.1:53.
const FIRST: &[u8] = b"\x01\x01\xc0\x00\x02\x01\x00\x35";

/// A datagram there and back.
async fn echoes(client: &mut DuplexStream, payload: &[u8]) {
    let len = u16::try_from(payload.len()).unwrap().to_be_bytes();
    let frame = [&len, payload].concat();
    client.write_all(&frame).await.unwrap();
    let mut heard = vec![0; frame.len()];
    client.read_exact(&mut heard).await.unwrap();
    assert!(heard == frame);
}

/// A tunnel of joe's, which works.
async fn tunnel(stage: &Stage, door: Door) -> DuplexStream {
    let (answer, mut client) = stage.joe(door, ASKED).await;
    assert_eq!(answer, Answer::Open, "{door:?}");
    client.write_all(FIRST).await.unwrap();
    echoes(&mut client, b"ping").await;
    client
}

pub async fn datagrams_rules(door: Door) {
    for (condition, is_denied) in [
        ("user = 'joe'", true),
        ("client = '8.8.8.0/24'", true),
        ("command = 'udp'", true),
        // By the time that it is judged, it is none.
        ("command = 'connect'", false),
        ("to = '*.udp-over-tcp.arpa'", false),
    ] {
        let text = format!("default = 'allow'\nrules = [{{ action = 'deny', {condition} }}]");
        let stage = Stage::new();
        stage.policy.swap(rules(&text));
        let (answer, _) = stage.joe(door, ASKED).await;
        let expected = if is_denied {
            door.denied()
        } else {
            Answer::Open
        };
        assert_eq!(answer, expected, "{condition}");
    }
}

pub async fn datagrams_recheck(door: Door) {
    let stage = Stage::new();
    let mut client = tunnel(&stage, door).await;
    stage.policy.swap(rules(
        "default = 'allow'\nrules = [{ action = 'deny', command = 'udp' }]",
    ));
    stage.policy.recheck();
    settle().await;
    assert_eq!(rest(&mut client).await, b"");
}

pub async fn datagrams_live_list(door: Door) {
    let stage = Stage::new();
    let mut client = tunnel(&stage, door).await;
    let list = stage.open.list();
    let [entry] = &*list else {
        panic!("{} entries", list.len());
    };
    assert_eq!(entry.command, Command::UDP_ASSOCIATE);
    assert_eq!(entry.protocol.name(), door.name());
    assert_eq!(entry.identity.to_string(), "joe");
    assert_eq!((entry.traffic.up, entry.traffic.down), (4, 4));
    assert!(stage.open.close(entry.id));
    assert_eq!(rest(&mut client).await, b"");
    settle().await;
    assert!(stage.open.list().is_empty());
}

pub async fn datagrams_metrics(door: Door) {
    let recorder = DebuggingRecorder::new();
    let numbers = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let stage = Stage::new();
    drop(tunnel(&stage, door).await);
    stage.stop().await;
    let counted: Vec<_> = numbers
        .snapshot()
        .into_vec()
        .into_iter()
        .filter_map(|(key, _, _, value)| {
            let labels = key.key().labels();
            let labels: Vec<_> = labels.map(|label| label.value()).collect();
            match value {
                DebugValue::Counter(count) => {
                    Some(format!("{} {} {count}", key.key().name(), labels.join(" ")))
                }
                DebugValue::Gauge(_) | DebugValue::Histogram(_) => None,
            }
        })
        .collect();
    for expected in [
        "socks_bytes_total down udp 4",
        "socks_bytes_total up udp 4",
        "socks_requests_total udp 0 1",
    ] {
        assert!(
            counted.iter().any(|it| it == expected),
            "{expected} in {counted:#?}"
        );
    }
}

/// The line of the session tells what the client has asked for.
pub async fn datagrams_log_line(door: Door) {
    let (log, _guard) = Log::start(Level::INFO);
    let stage = Stage::new();
    drop(tunnel(&stage, door).await);
    stage.stop().await;
    let log = log.text();
    let line = log.lines().find(|it| it.contains("session ended")).unwrap();
    for part in [
        &*format!("protocol={}", door.name()),
        "user=joe",
        "command=CONNECT",
        "target=sp.v2.udp-over-tcp.arpa:0",
        "up=4 down=4",
    ] {
        assert!(line.contains(part), "no {part} in {line}");
    }
}

pub async fn datagrams_tunnels_by_user(door: Door) {
    for next in [Door::Socks5, Door::Socks4, Door::Http] {
        let stage = Stage::with(Knobs {
            tunnels: 1,
            ..Knobs::default()
        });
        let open = tunnel(&stage, door).await;
        for target in [ASKED, TARGET] {
            let (answer, _) = stage.joe(next, target).await;
            assert!(
                answer == next.limited() || answer == next.denied(),
                "{answer:?}"
            );
        }
        drop(open);
        settle().await;
        let open = stage.tunnel(next).await;
        let (answer, _) = stage.joe(door, ASKED).await;
        assert!(
            answer == door.limited() || answer == door.denied(),
            "{answer:?}"
        );
        drop(open);
    }
}

/// Payloads count, both directions together with those of other tunnels.
pub async fn datagrams_quota(door: Door) {
    let stage = Stage::with(Knobs {
        quota: 100,
        ..Knobs::default()
    });
    // What is left comes back with the end of a tunnel.
    drop(stage.tunnel(Door::Socks5).await);
    settle().await;
    let mut client = tunnel(&stage, door).await;
    // 16 of them are gone.
    echoes(&mut client, &[7; 42]).await;
    // And now all.
    assert_eq!(rest(&mut client).await, b"");
    let (answer, _) = stage.joe(door, ASKED).await;
    assert!(
        answer == door.limited() || answer == door.denied(),
        "{answer:?}"
    );
}

/// Nothing is lost for a limit.
pub async fn datagrams_bandwidth(door: Door) {
    let stage = Stage::with(Knobs {
        down: 10_000,
        ..Knobs::default()
    });
    let began = Instant::now();
    let mut client = tunnel(&stage, door).await;
    for _ in 0..60 {
        echoes(&mut client, &[7; 1_000]).await;
    }
    let took = began.elapsed();
    assert!((4 * SECOND..7 * SECOND).contains(&took), "{took:?}");
}

/// A server that stops lets a tunnel end by itself, for a while.
pub async fn datagrams_drain(door: Door) {
    let stage = Stage::new();
    let mut client = tunnel(&stage, door).await;
    let began = Instant::now();
    let stopping = tokio::spawn(stage.stop());
    tokio::time::sleep(SECOND).await;
    echoes(&mut client, b"until the limit").await;
    stopping.await.unwrap();
    let took = began.elapsed();
    assert!((7 * SECOND..8 * SECOND).contains(&took), "{took:?}");
    client.hear_end().await;
}

/// What comes right behind the request, in the same write, is the first that is read.
pub async fn datagrams_early(door: Door) {
    let stage = Stage::new();
    let mut client = stage.arrive(HOME);
    let early = [FIRST, b"\0\x05early"].concat();
    let answer = door.ask(&mut client, JOE, ASKED, &early).await;
    assert_eq!(answer, Answer::Open);
    client.hear(b"\0\x05early").await;
    echoes(&mut client, b"late").await;
}
