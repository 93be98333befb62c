//! Where an upgrade is asked for: at a Unix socket, and by SIGUSR2.

use std::{
    fs,
    future::pending,
    io,
    os::unix::{fs::MetadataExt, net::UnixStream},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustix::process::geteuid;
use tokio::{
    net::UnixListener,
    signal::unix::Signal,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::spawn_blocking,
    time::{Instant, sleep},
};
use tower_socks::BoxError;

use super::{
    Asked, Handed, Role, Taken,
    channel::Channel,
    give::{converse, refuse},
    spawn,
};
use crate::listen::{Mode, SocketFile, unix_socket};

/// Peers that are turned away have one line in so long.
const SAY: Duration = Duration::from_secs(10);

/// The Unix socket, and its file.
#[derive(Debug)]
pub(crate) struct Control {
    path: PathBuf,
    listener: std::os::unix::net::UnixListener,
    file: Option<SocketFile>,
}

impl Control {
    /// Listens, or takes the socket of another process. Only this user can connect.
    ///
    /// # Errors
    ///
    /// Others can write to the directory, somebody listens there, or something is there that is no socket.
    pub(crate) fn at(
        path: Option<&Path>,
        taken: Option<&mut Taken>,
    ) -> Result<Option<Self>, BoxError> {
        let Some(path) = path else {
            return Ok(None);
        };
        let problem = |problem: BoxError| format!("upgrade_socket: {}: {problem}", path.display());
        check_directory(path).map_err(problem)?;
        let (listener, file) = match taken.and_then(|taken| taken.upgrade(path)) {
            Some(socket) => (socket.into(), None),
            None => {
                let listens =
                    unix_socket(path, Mode(0o600)).map_err(|error| problem(error.into()))?;
                (listens.0, Some(listens.1))
            }
        };
        Ok(Some(Self {
            path: path.to_owned(),
            listener,
            file,
        }))
    }

    /// A duplicate to accept from.
    pub(super) fn listener(&self) -> io::Result<std::os::unix::net::UnixListener> {
        self.listener.try_clone()
    }

    /// A duplicate for another process.
    pub(super) fn give(&self) -> io::Result<Handed> {
        Ok(Handed {
            role: Role::Upgrade {
                path: self.path.clone(),
            },
            socket: self.listener.try_clone()?.into(),
        })
    }

    /// Leaves the file to the process that has the socket.
    pub(super) fn leave(self) {
        if let Some(file) = self.file {
            file.leave();
        }
    }

    /// Takes over the file, which another process has left.
    pub(super) fn adopt(&mut self) {
        if self.file.is_none() {
            self.file = SocketFile::adopt(&self.path);
        }
    }
}

/// Checks that nobody else can put another socket there.
fn check_directory(path: &Path) -> Result<(), BoxError> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let metadata = fs::metadata(directory).map_err(|error| format!("its directory: {error}"))?;
    let is_owned = [0, geteuid().as_raw()].contains(&metadata.uid());
    if is_owned && metadata.mode() & 0o022 == 0 {
        return Ok(());
    }
    Err("others can write to its directory, and could put a socket of theirs there; take one that belongs to \
         this user or to root and has mode 0755 or less"
        .into())
}

/// Connects to the server that runs: nobody else can have put a socket there.
pub(super) fn connect(path: &Path) -> Result<UnixStream, BoxError> {
    check_directory(path)?;
    Ok(UnixStream::connect(path)?)
}

/// Has upgrades asked for at the socket, if there is one, and by SIGUSR2, one at a time. For ever.
pub(crate) async fn serve(
    socket: Option<std::os::unix::net::UnixListener>,
    mut signal: Signal,
    server: mpsc::Sender<Asked>,
) {
    let listener = socket.and_then(|socket| {
        let listener = UnixListener::from_std(socket);
        listener
            .inspect_err(|error| tracing::warn!(%error, "upgrade_socket: nobody can ask there"))
            .ok()
    });
    let one = Arc::new(Semaphore::new(1));
    let mut said: Option<Instant> = None;
    loop {
        tokio::select! {
            accepted = accept(listener.as_ref()) => match accepted {
                Ok((stream, pid)) => turn(&one, &server, stream, pid),
                Err(Turned::Away(why)) => {
                    if said.is_none_or(|said| said.elapsed() >= SAY) {
                        said = Some(Instant::now());
                        tracing::warn!("upgrade_socket: turned away {why}");
                    }
                }
                Err(Turned::Failed(error)) => {
                    tracing::debug!(%error, "upgrade_socket: cannot accept");
                    sleep(Duration::from_secs(1)).await;
                }
            },
            Some(()) = signal.recv() => match Arc::clone(&one).try_acquire_owned() {
                Ok(turn) => start(turn, server.clone()),
                Err(_) => tracing::warn!("SIGUSR2: an upgrade is in progress"),
            }
        }
    }
}

/// Why there is no conversation.
enum Turned {
    Away(String),
    Failed(io::Error),
}

/// Accepts somebody who may ask, with the number of the process.
async fn accept(listener: Option<&UnixListener>) -> Result<(Channel, Option<u32>), Turned> {
    let Some(listener) = listener else {
        return pending().await;
    };
    let (stream, _) = listener.accept().await.map_err(Turned::Failed)?;
    let peer = stream.peer_cred().map_err(Turned::Failed)?;
    if ![0, geteuid().as_raw()].contains(&peer.uid()) {
        return Err(Turned::Away(format!("a process of user {}", peer.uid())));
    }
    let stream = stream.into_std().map_err(Turned::Failed)?;
    let channel = Channel::new(stream).map_err(Turned::Failed)?;
    Ok((channel, peer.pid().and_then(|pid| pid.try_into().ok())))
}

/// Talks to a process that was started by somebody, if it is its turn.
fn turn(one: &Arc<Semaphore>, server: &mpsc::Sender<Asked>, channel: Channel, pid: Option<u32>) {
    let Ok(turn) = Arc::clone(one).try_acquire_owned() else {
        // It is little, and fits into what the system keeps for it.
        refuse(&channel, "another upgrade is in progress".into());
        return;
    };
    let server = server.clone();
    spawn_blocking(move || {
        let outcome = match is_service() {
            false => converse(&channel, pid, &server),
            true => Err(refuse(
                &channel,
                "it is a service of systemd's, which would lose sight of a process that it has not started: \
                 systemctl kill --kill-whom=main --signal=USR2 UNIT has the server start the new one"
                    .into(),
            )),
        };
        end(outcome, &server, turn);
    });
}

/// Whether systemd, or something like it, follows this process.
fn is_service() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}

/// Starts the new process.
fn start(turn: OwnedSemaphorePermit, server: mpsc::Sender<Asked>) {
    spawn_blocking(move || {
        tracing::info!("SIGUSR2: starting the program anew");
        let outcome = match spawn::start() {
            Err(error) => Err(format!("cannot start the program anew: {error}")),
            Ok((mut child, channel)) => {
                let outcome = converse(&channel, Some(child.id()), &server);
                if outcome.is_err() {
                    spawn::end(&mut child);
                }
                // One that serves is left to whom it has once this process is gone.
                outcome
            }
        };
        end(outcome, &server, turn);
    });
}

/// Says how it ended, once another one may begin, so that a reader of the line can try again at once.
fn end(outcome: Result<(), String>, server: &mpsc::Sender<Asked>, turn: OwnedSemaphorePermit) {
    if outcome.is_err() {
        // Unless it ends.
        _ = server.blocking_send(Asked::GoOn);
    }
    drop(turn);
    if let Err(why) = outcome {
        tracing::warn!("no upgrade, this process goes on: {why}");
    }
}
