//! What a connection costs, and what the server occupies, with few and with very many of something in its file.

use std::time::{Duration, Instant};

use anyhow::bail;
use tokio::time::sleep;

use super::{At, connections};

pub(super) async fn measure(at: At<'_>) -> anyhow::Result<Vec<f64>> {
    rest(at).await?;
    let (window, _) = connections::visit(at).await?;
    let mebibytes = at.server.memory() / 1024.0 / 1024.0;
    Ok(vec![window.cpu / window.done * 1e6, mebibytes])
}

/// Waits until the server has nothing to do: what a large file leaves to do after the start is no cost of a connection.
async fn rest(at: At<'_>) -> anyhow::Result<()> {
    let (mut last, started) = (f64::NAN, Instant::now());
    loop {
        let now = at.server.cpu();
        if now == last {
            return Ok(());
        }
        if started.elapsed() > Duration::from_secs(30) {
            bail!("is busy 30 s after its start, though nobody asks it");
        }
        last = now;
        sleep(Duration::from_millis(200)).await;
    }
}
