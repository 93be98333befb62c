//! SIGINT, SIGTERM, SIGHUP, SIGUSR1 and SIGUSR2.

use std::{future::pending, io, sync::Arc};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{oneshot, watch},
    time::sleep,
};
use tower_socks::{BoxError, layer::track::OpenTunnels};

use crate::{settings::Fixed, systemd, udp_over_tcp};

/// What becomes of sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Served,
    /// New ones are served, and `/ready` says that the server is not.
    Leaving,
    /// They have some time to end.
    Drained,
    Dropped,
}

/// Leaving and drained from the first SIGINT or SIGTERM on, dropped from the second one on. Drained as well once another
/// process serves, whose number comes by `superseded`.
pub(crate) fn stop(
    in_force: watch::Receiver<Arc<Fixed>>,
    superseded: oneshot::Receiver<Option<u32>>,
) -> Result<watch::Receiver<Phase>, BoxError> {
    let mut stop = Stop {
        interrupt: signal(SignalKind::interrupt())?,
        terminate: signal(SignalKind::terminate())?,
    };
    let (phase, watched) = watch::channel(Phase::Served);
    tokio::spawn(async move {
        let superseded = async {
            match superseded.await {
                Ok(pid) => pid,
                Err(_) => pending().await,
            }
        };
        let superseded = tokio::select! {
            () = stop.asked() => None,
            pid = superseded => Some(pid),
        };
        let timeouts = in_force.borrow().timeouts;
        let (drain, delay) = (timeouts.drain.0, timeouts.drain_delay);
        let idle = timeouts
            .drain_idle
            .map(|idle| format!(", idle ones {:?}", idle.0));
        let idle = idle.unwrap_or_default();
        if let Some(pid) = superseded {
            // No delay: nobody has to hear that another one is to be taken.
            let pid = pid.map_or_else(String::new, |pid| format!(", {pid}"));
            tracing::info!("another process serves{pid}; sessions have {drain:?} to end{idle}");
            _ = phase.send(Phase::Drained);
            stop.asked().await;
            tracing::info!(
                "stopping already, since another process serves; a second signal drops them"
            );
        } else {
            systemd::stopping();
            if let Some(delay) = delay {
                let delay = delay.0;
                _ = phase.send(Phase::Leaving);
                tracing::info!(
                    "stopping in {delay:?}; sessions have {drain:?} to end then{idle}, a second signal drops them"
                );
                tokio::select! {
                    () = sleep(delay) => tracing::info!("no clients are accepted any more"),
                    () = stop.asked() => {
                        _ = phase.send(Phase::Dropped);
                        return;
                    }
                }
            } else {
                tracing::info!(
                    "stopping; sessions have {drain:?} to end{idle}, a second signal drops them"
                );
            }
            _ = phase.send(Phase::Drained);
        }
        stop.asked().await;
        _ = phase.send(Phase::Dropped);
    });
    Ok(watched)
}

/// The signals to stop.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    /// Waits for one of them.
    async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Ends the tunnels in which nothing moves, once they are drained, if that is in force then.
pub(crate) async fn end_idle(
    open: OpenTunnels,
    mut phase: watch::Receiver<Phase>,
    in_force: watch::Receiver<Arc<Fixed>>,
) {
    let drained = phase.wait_for(|phase| *phase >= Phase::Drained).await;
    if drained.map(drop).is_err() {
        return;
    }
    let limit = in_force.borrow().timeouts.drain_idle;
    if let Some(limit) = limit {
        open.close_idle(limit.0).await;
    }
}

/// The signals that ask for something else than to stop.
pub(crate) struct Asked {
    /// SIGHUP.
    pub(crate) reload: Signal,
    /// SIGUSR2.
    pub(crate) upgrade: Signal,
    /// SIGUSR1.
    pub(crate) list: Signal,
}

impl Asked {
    /// Catches them from here on, so that one that comes while the file is read does not end the process: it is answered
    /// once the server serves.
    pub(crate) fn caught() -> io::Result<Self> {
        Ok(Self {
            reload: signal(SignalKind::hangup())?,
            upgrade: signal(SignalKind::user_defined2())?,
            list: signal(SignalKind::user_defined1())?,
        })
    }
}

/// Says each time that it is asked for it who is connected, in the log.
pub(crate) async fn list(mut asked: Signal, open: OpenTunnels) {
    while asked.recv().await.is_some() {
        for tunnel in open.list() {
            tracing::info!(
                target: "open",
                peer = %tunnel.client,
                user = %tunnel.identity,
                command = %udp_over_tcp::command(&tunnel),
                target = %tunnel.target,
                up = tunnel.traffic.up,
                down = tunnel.traffic.down,
                age = ?tunnel.age,
                "open"
            );
        }
        let totals = open.totals();
        tracing::info!(
            target: "open",
            open = totals.open,
            opened = totals.opened,
            up = totals.traffic.up,
            down = totals.traffic.down,
            "that is all"
        );
    }
}
