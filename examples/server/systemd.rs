//! Started by systemd: sockets that it has opened for us, and what it is told.
//!
//! Everywhere else there are no such sockets, and nobody is told anything.

pub(crate) mod store;

use sd_notify::NotifyState;
use tower_socks::BoxError;

use crate::listen::Socket;

/// The sockets of a `.socket` unit with their names, by `LISTEN_FDS` and `LISTEN_FDNAMES`. They take the place of all
/// addresses that are stated elsewhere. Those that an earlier process has had [kept](store) are among them.
pub(crate) fn listeners() -> Result<Vec<(String, Socket)>, BoxError> {
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut passed = listenfd::ListenFd::from_env();
    let mut listeners = Vec::new();
    for place in 0..passed.len() {
        let listener = match passed.take_tcp_listener(place) {
            Ok(listener) => listener.map(Socket::Tcp),
            Err(error) => match passed.take_unix_listener(place) {
                Ok(listener) => listener.map(Socket::Unix),
                Err(_) => {
                    return Err(format!(
                        "socket {place} that systemd has passed is no listener for streams: {error}"
                    )
                    .into());
                }
            },
        };
        if let Some(listener) = listener {
            listener.set_nonblocking()?;
            listener.close_on_exec()?;
            listeners.push((names.next().unwrap_or_default().to_owned(), listener));
        }
    }
    Ok(listeners)
}

/// Clients can connect.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The file is being read again; [`ready`] follows, whatever comes of it.
pub(crate) fn reloading() {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        tell(&[NotifyState::Reloading, now]);
    }
}

/// Another process serves from now on, which says itself that it is ready. This one is to say nothing more: by default
/// it would not be listened to.
pub(crate) fn main_process(pid: u32) {
    tell(&[NotifyState::MainPid(pid)]);
}

/// Nobody can connect any more.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(state: &[NotifyState<'_>]) {
    // Without `NOTIFY_SOCKET` it does nothing.
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "cannot tell systemd how it stands");
    }
}
