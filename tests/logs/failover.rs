//! The lines that operators find upstreams by that go down, and come up again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::advance;
use tower::{ServiceExt, service_fn};
use tower_socks::{BoxError, ClientError, connector::failover::Health};
use tracing::Level;

use crate::support::log::Log;

#[tokio::test(start_paused = true)]
async fn an_upstream_is_said_to_be_down_once_and_to_be_up_again() {
    let (log, _guard) = Log::start(Level::INFO);
    let broken = Arc::new(AtomicBool::new(true));
    let is_broken = Arc::clone(&broken);
    let health = Health::new(
        "office",
        service_fn(move |()| {
            let broken = is_broken.load(Ordering::Relaxed);
            async move {
                match broken {
                    true => Err(BoxError::from(ClientError::Denied)),
                    false => Ok(()),
                }
            }
        }),
    );
    for works in [false, false, true, true] {
        broken.store(!works, Ordering::Relaxed);
        assert_eq!(health.clone().oneshot(()).await.is_ok(), works);
        advance(Duration::from_secs(60)).await;
    }
    let lines = log.lines();
    assert_eq!(lines.len(), 2, "{lines:#?}");
    for (line, parts) in lines.iter().zip([
        ["WARN", "upstream marked down", "upstream=office", "error="],
        ["INFO", "upstream up again", "upstream=office", "failures=2"],
    ]) {
        for part in parts {
            assert!(line.contains(part), "no {part} in {line}");
        }
    }
}
