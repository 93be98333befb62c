//! SIGINT, SIGTERM and SIGHUP.

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};
use tower_socks::BoxError;

/// True from the first SIGINT or SIGTERM on. The second one ends the process.
pub(crate) fn stop() -> Result<watch::Receiver<bool>, BoxError> {
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
            tracing::info!("stopping; sessions have 30 s to end, a second signal drops them");
            _ = stop.send(true);
        }
    });
    Ok(stopped)
}

/// SIGHUP. Caught from here on, so that one that comes too early does not end the process.
pub(crate) fn reload() -> Result<Signal, BoxError> {
    Ok(signal(SignalKind::hangup())?)
}
