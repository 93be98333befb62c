//! What an association occupies in which nothing moves, and what an echo costs beside many others.

use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::time::{sleep, timeout};

use super::{At, udp};

pub(super) async fn measure(at: At<'_>, count: usize) -> anyhow::Result<Vec<f64>> {
    // What every server has once it works is not counted.
    drop(open(at, 2).await?);
    sleep(Duration::from_millis(300)).await;
    let before = at.server.memory();
    let idle = open(at, count).await?;
    sleep(Duration::from_millis(300)).await;
    let grown = at.server.memory() - before;
    let echoes = udp::measure(at, 1).await?;
    drop(idle);
    let Some(cpu) = echoes.first() else {
        bail!("nothing comes back");
    };
    Ok(vec![grown / count as f64 / 1024.0, *cpu])
}

/// Each has carried a datagram there and back.
async fn open(at: At<'_>, count: usize) -> anyhow::Result<Vec<crate::between::Datagrams>> {
    let mut all = Vec::new();
    for _ in 0..count {
        let opening = async {
            let one = at.server.between.associate(at.targets.udp).await?;
            let mut said = one.header.clone();
            said.extend([b'!'; 16]);
            one.socket.send(&said).await?;
            one.socket.recv(&mut [0; 64]).await?;
            std::io::Result::Ok(one)
        };
        let opened = timeout(Duration::from_secs(5), opening).await;
        all.push(opened.with_context(|| format!("no answer after {} associations", all.len()))??);
    }
    Ok(all)
}
