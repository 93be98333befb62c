//! Many tunnels at once.

use std::{io, sync::Arc, time::Duration};

use anyhow::bail;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Mutex,
    task::JoinSet,
    time::timeout,
};

use super::At;
use crate::targets::ECHO;

/// For each tunnel of a set to open.
const PATIENCE: Duration = Duration::from_secs(10);

/// Opens tunnels that are told their purpose. The last have been open for a while when it returns.
pub(super) async fn open(at: At<'_>, count: usize, purpose: u8) -> anyhow::Result<Vec<TcpStream>> {
    const AT_ONCE: usize = 32;
    let wanted: Vec<_> = (0..count).map(|_| at.targets.next()).collect();
    let wanted = Arc::new(Mutex::new(wanted));
    let between = at.server.between;
    let mut workers = JoinSet::new();
    for _ in 0..AT_ONCE.min(count) {
        let wanted = Arc::clone(&wanted);
        workers.spawn(async move {
            let mut opened = Vec::new();
            loop {
                let Some(target) = wanted.lock().await.pop() else {
                    return (opened, None);
                };
                let opening = async {
                    let mut stream = between.open(target).await?;
                    greet(&mut stream, purpose).await?;
                    io::Result::Ok(stream)
                };
                match timeout(PATIENCE, opening).await {
                    Ok(Ok(stream)) => opened.push(stream),
                    Ok(Err(error)) => return (opened, Some(error.to_string())),
                    Err(_) => return (opened, Some("no answer".to_owned())),
                }
            }
        });
    }
    let (mut tunnels, mut failure) = (Vec::new(), None);
    while let Some(worker) = workers.join_next().await {
        let (opened, failed) = worker?;
        tunnels.extend(opened);
        failure = failure.or(failed);
    }
    match failure {
        Some(failure) => bail!("opens {} of {count} tunnels: {failure}", tunnels.len()),
        None => Ok(tunnels),
    }
}

/// Says what the tunnel is for; an echo is tried at once.
async fn greet(stream: &mut TcpStream, purpose: u8) -> io::Result<()> {
    match purpose {
        ECHO => {
            stream.write_all(&[ECHO, b'!']).await?;
            stream.read_exact(&mut [0; 1]).await?;
        }
        _ => stream.write_all(&[purpose]).await?,
    }
    Ok(())
}
