//! The line that a session leaves in the log when a recheck has closed its tunnel.
//!
//! The subscriber belongs to the thread, and whether anybody listens is remembered for the process:
//! every test here has one.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use crate::support::{Client, Script, stack, targets::targets, within};
use tower::Layer;
use tower_socks::{
    AclLayer, NoAuth, Refusal, Request,
    layer::acl::{SwapPolicy, recheck::RecheckLayer},
};

type Judge = fn(&Request, Option<SocketAddr>) -> Result<(), Refusal>;

/// What is logged on this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn the_log_says_that_a_tunnel_was_refused_and_why() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .without_time()
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    within(async {
        let (dialer, mut dialled) = targets();
        let policy = SwapPolicy::new((|_, _| Ok(())) as Judge);
        let service = AclLayer::new(policy.clone()).layer(dialer);
        let service = RecheckLayer::new(policy.clone()).layer(service);
        let mut client = Client::new(stack(NoAuth, service)).connected().await;
        let _target = dialled.recv().await.unwrap();
        policy.swap(|_, _| Err(Refusal::not_allowed("closed for today")));
        policy.recheck();
        client.io.hear_end().await;
        client.outcome().await.unwrap_err();
    })
    .await;
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<_> = text
        .lines()
        .filter(|line| line.contains("session ended"))
        .collect();
    assert_eq!(lines.len(), 1, "{text}");
    for part in [
        "INFO",
        "target=192.0.2.1:80",
        "outcome=refused",
        "closed for today",
    ] {
        assert!(lines[0].contains(part), "no {part:?} in {text}");
    }
}
