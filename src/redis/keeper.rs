//! The task that renews what a node holds, counts nodes, and looks whether Redis is back.

use std::{
    sync::{Weak, atomic::Ordering},
    time::Duration,
};

use ::redis::{Pipeline, cmd};
use tokio::time::{Instant, sleep};

use super::shared::{Shared, Unanswered};

/// Between two looks whether Redis is back.
const LOOK: Duration = Duration::from_millis(500);

/// Keeps what the node holds, until nobody has it any more.
pub(super) async fn keep(shared: Weak<Shared>) {
    let mut renewed: Option<Instant> = None;
    while let Some(shared) = shared.upgrade() {
        if shared.has_left.load(Ordering::Relaxed) {
            return;
        }
        if shared.breaker.is_open() {
            sleep(LOOK).await;
            // One that takes no writes is not back.
            let mut probe = cmd("SET");
            probe.arg(shared.probe_place()).arg(1).arg("EX").arg(1);
            let _ = shared.command::<String>(&probe).await;
            renewed = None;
            continue;
        }
        let every = shared.lease() / 3;
        let all = renewed.is_none_or(|renewed| renewed.elapsed() >= every);
        if all {
            renewed = Some(Instant::now());
            // It is counted again before the lease is over.
            let _ = count(&shared).await;
        }
        for kept in shared.kept() {
            kept.write(all).await;
        }
        tokio::select! {
            () = shared.news.notified() => {}
            () = sleep(LOOK) => {}
        }
    }
}

/// Notes that this node is there, and counts all that are.
async fn count(shared: &Shared) -> Result<(), Unanswered> {
    let (seconds, _): (u64, u64) = shared.command(&cmd("TIME")).await?;
    let place = shared.nodes_place();
    let lease = shared.lease().as_secs().max(1);
    let mut commands = Pipeline::new();
    commands
        .cmd("ZADD")
        .arg(&place)
        .arg(seconds.saturating_add(lease))
        .arg(shared.node())
        .ignore()
        .cmd("ZREMRANGEBYSCORE")
        .arg(&place)
        .arg(0)
        .arg(seconds.saturating_sub(1))
        .ignore()
        .cmd("EXPIRE")
        .arg(&place)
        .arg(lease.saturating_mul(2))
        .ignore()
        .cmd("ZCARD")
        .arg(&place);
    let (nodes,): (u32,) = shared.commands(&commands).await?;
    shared.set_nodes(nodes);
    Ok(())
}

/// Notes that this node is there no more.
pub(super) async fn leave(shared: &Shared) {
    let mut command = cmd("ZREM");
    command.arg(shared.nodes_place()).arg(shared.node());
    let _ = shared.command::<u32>(&command).await;
}
