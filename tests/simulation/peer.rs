//! The far ends of the streams: what a client and a target say, and what they hear.

use std::sync::Arc;

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::{Notify, watch},
    task::JoinHandle,
};

/// Something to say, once so many octets have been heard.
#[derive(Clone, Debug)]
pub struct Line {
    pub after: usize,
    pub says: Vec<u8>,
}

/// How a peer ends its side once everything is said.
#[derive(Clone, Debug)]
pub enum Then {
    /// It half-closes at once.
    Ends,
    /// It keeps its side open until the other one has ended.
    Waits,
    /// The same, or until somebody tells it to end.
    WaitsFor(Arc<Notify>),
}

#[derive(Clone, Debug)]
pub struct Script {
    pub lines: Vec<Line>,
    pub then: Then,
}

impl Script {
    pub fn new<L: AsRef<[u8]>>(lines: impl IntoIterator<Item = (usize, L)>, then: Then) -> Self {
        let lines = lines.into_iter().map(|(after, says)| Line {
            after,
            says: says.as_ref().to_vec(),
        });
        Self {
            lines: lines.collect(),
            then,
        }
    }
}

/// A peer that plays its script in a task of its own.
#[derive(Debug)]
pub struct Peer {
    /// Everything it has heard so far.
    pub heard: watch::Receiver<Vec<u8>>,
    playing: JoinHandle<()>,
}

impl Peer {
    /// It survives whatever happens to its stream, and is done once that has ended both ways.
    pub fn play<Io>(io: Io, script: Script) -> Self
    where
        Io: AsyncRead + AsyncWrite + Send + 'static,
    {
        let (told, heard) = watch::channel(Vec::new());
        let ears = heard.clone();
        let playing = tokio::spawn(async move {
            let (read, write) = tokio::io::split(io);
            tokio::join!(listen(read, told), speak(write, script, ears));
        });
        Self { heard, playing }
    }

    /// Everything it has heard, once its stream has ended.
    pub async fn done(self) -> Vec<u8> {
        self.playing.await.expect("a peer never panics");
        self.heard.borrow().clone()
    }
}

async fn listen(mut read: impl AsyncRead + Unpin, told: watch::Sender<Vec<u8>>) {
    let mut room = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = read.read(&mut room).await {
        told.send_modify(|heard| heard.extend_from_slice(&room[..count]));
    }
}

async fn speak(
    mut write: impl AsyncWrite + Unpin,
    script: Script,
    mut heard: watch::Receiver<Vec<u8>>,
) {
    for line in script.lines {
        let turn = heard.wait_for(|heard| heard.len() >= line.after);
        // Unless the stream has ended before.
        if turn.await.is_err() {
            break;
        }
        if write.write_all(&line.says).await.is_err() {
            return;
        }
    }
    let over = async {
        let _ = heard.wait_for(|_| false).await;
    };
    match script.then {
        Then::Ends => {}
        Then::Waits => over.await,
        Then::WaitsFor(word) => tokio::select! {
            () = over => {}
            () = word.notified() => {}
        },
    }
    let _ = write.shutdown().await;
}
