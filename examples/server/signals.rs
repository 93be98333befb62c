//! SIGINT, SIGTERM, SIGHUP and SIGUSR1.

use std::time::Duration;

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};
use tower_socks::{BoxError, layer::track::OpenTunnels};

use crate::systemd;

/// True from the first SIGINT or SIGTERM on. The second one ends the process.
pub(crate) fn stop(drain: Duration) -> Result<watch::Receiver<bool>, BoxError> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        for last in [false, true] {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if last {
                std::process::exit(1);
            }
            tracing::info!("stopping; sessions have {drain:?} to end, a second signal drops them");
            systemd::stopping();
            _ = stop.send(true);
        }
    });
    Ok(stopped)
}

/// SIGHUP. Caught from here on, so that one that comes too early does not end the process.
pub(crate) fn reload() -> Result<Signal, BoxError> {
    Ok(signal(SignalKind::hangup())?)
}

/// Says at each SIGUSR1 who is connected, in the log. Caught from here on, as SIGHUP is.
pub(crate) fn list_at_usr1(
    open: OpenTunnels,
) -> Result<impl Future<Output = ()> + Send + 'static, BoxError> {
    let mut asked = signal(SignalKind::user_defined1())?;
    Ok(async move {
        while asked.recv().await.is_some() {
            for tunnel in open.list() {
                tracing::info!(
                    target: "open",
                    peer = %tunnel.client,
                    user = %tunnel.identity,
                    command = %tunnel.command,
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
    })
}
