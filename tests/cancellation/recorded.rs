//! Sessions that are recorded.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    time::advance,
};
use tower::{ServiceBuilder, ServiceExt};
use tower_socks::{
    AuthLayer, HandshakeLayer, NoAuth,
    layer::record::{Record, Recorder, Sink},
    session::Accepted,
};

use super::{
    cases::{ANONYMOUS, CONNECT, here, in_memory, says},
    drops::{Case, at_every_poll, held},
};

/// Counts what has been told to the end, and what has not. It wants to hear of tunnels each second.
#[derive(Default)]
struct Told {
    started: AtomicUsize,
    interim: AtomicUsize,
    ended: AtomicUsize,
}

impl Sink for Told {
    fn started(&self, _: &Record) {
        self.started.fetch_add(1, Relaxed);
    }

    fn interim(&self, record: &Record) {
        assert!(record.end.is_none());
        assert_eq!(self.ended.load(Relaxed), 0);
        self.interim.fetch_add(1, Relaxed);
    }

    fn ended(&self, record: &Record) {
        assert!(record.end.is_some());
        self.ended.fetch_add(1, Relaxed);
    }

    fn interval(&self) -> Option<Duration> {
        Some(Duration::from_secs(1))
    }
}

/// Stays for some seconds after the tunnel has opened.
async fn stays(mut io: DuplexStream) {
    let said = [ANONYMOUS, CONNECT].concat();
    let mut replies = [0; 12];
    if io.write_all(&said).await.is_err() || io.read_exact(&mut replies).await.is_err() {
        return;
    }
    for _ in 0..3 {
        advance(Duration::from_secs(1)).await;
    }
    says(io, b"to and fro").await;
}

#[test]
fn records() {
    let interim = Arc::new(AtomicUsize::new(0));
    at_every_poll("a session that is recorded", 8, async || {
        let told = Arc::new(Told::default());
        let sink: Arc<dyn Sink> = Arc::clone(&told) as _;
        let recorder = Recorder::new([sink]);
        let stack = ServiceBuilder::new()
            .layer(recorder.sessions())
            .layer(HandshakeLayer::new())
            .layer(AuthLayer::new(NoAuth))
            .layer(recorder.requests())
            .service(in_memory());
        let (near, far, alive) = held();
        let session = stack.oneshot(Accepted::new(near, here(50_000), here(1080)));
        let updates = recorder.clone().updates();
        let interim = Arc::clone(&interim);
        let both = async move {
            tokio::select! {
                outcome = session => drop(outcome),
                () = updates => {}
            }
        };
        Case::new(both).far(stays(far)).releases(move || {
            alive.assert_dropped();
            // A record that was begun has its end, and one only; a client that has asked for nothing has none.
            let [started, ended] = [&told.started, &told.ended].map(|it| it.load(Relaxed));
            assert!(started <= ended && ended <= 1, "{started} {ended}");
            assert!(ended as u64 + recorder.unspoken() <= 1);
            interim.fetch_max(told.interim.load(Relaxed), Relaxed);
            // Nobody else has the sink.
            drop(recorder);
            assert_eq!(Arc::strong_count(&told), 1);
        })
    });
    assert_eq!(interim.load(Relaxed), 3);
}
