//! systemd's descriptor store: `FileDescriptorStoreMax=` of the unit. What is kept there goes to the next process, whether
//! this one stops or crashes, and connections wait in the queue meanwhile.

use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    os::{fd::BorrowedFd, unix::net::UnixDatagram},
};

use rustix::{
    cmsg_space,
    net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg},
};
use sd_notify::NotifyState;

use super::tell;

/// Says how many descriptors systemd keeps: from version 254 on by itself, before that by the unit.
const MOST: &str = "FDSTORE";

/// What systemd keeps for the next process. Elsewhere nothing is kept.
#[derive(Debug)]
pub(crate) struct Store {
    /// How many it keeps.
    most: usize,
    /// Names of what it keeps.
    kept: Vec<String>,
    /// Names of what an earlier process may have had kept.
    earlier: Vec<String>,
    is_full: bool,
}

impl Store {
    /// Begins with the names of what an earlier process may have had kept.
    pub(crate) fn begin(earlier: Vec<String>) -> Self {
        let most = std::env::var(MOST).ok().and_then(|most| most.parse().ok());
        let is_told = std::env::var_os("NOTIFY_SOCKET").is_some();
        Self {
            most: most.filter(|_| is_told).unwrap_or_default(),
            kept: Vec::new(),
            earlier,
            is_full: false,
        }
    }

    /// Whether anything is kept.
    pub(crate) const fn is_there(&self) -> bool {
        self.most > 0
    }

    /// Has these kept, and no others.
    pub(crate) fn keep(&mut self, sockets: &[(String, BorrowedFd<'_>)]) {
        if !self.is_there() {
            return;
        }
        let is_here = |name: &String| sockets.iter().any(|(here, _)| here == name);
        let gone = self.earlier.drain(..).chain(self.kept.iter().cloned());
        let mut gone: Vec<_> = gone.filter(|name| !is_here(name)).collect();
        gone.dedup();
        forget(&gone);
        let before = self.kept.len();
        self.kept.retain(is_here);
        let mut is_other = self.kept.len() < before;
        for (name, socket) in sockets {
            if self.kept.contains(name) {
                continue;
            }
            if self.kept.len() >= self.most {
                if !self.is_full {
                    let (most, sockets) = (self.most, sockets.len());
                    tracing::warn!(
                        most,
                        sockets,
                        "systemd does not keep all sockets over a restart: FileDescriptorStoreMax= of the unit is too small"
                    );
                }
                self.is_full = true;
                break;
            }
            match send(&format!("FDSTORE=1\nFDNAME={name}\n"), *socket) {
                Ok(()) => {
                    self.kept.push(name.clone());
                    is_other = true;
                }
                Err(error) => tracing::warn!(%error, "cannot have systemd keep {name}"),
            }
        }
        self.is_full &= self.kept.len() >= self.most;
        if is_other {
            let sockets = self.kept.len();
            tracing::info!(sockets, "systemd keeps sockets for the next process");
        }
    }
}

/// Has systemd forget what has these names.
pub(crate) fn forget(names: &[String]) {
    for name in names {
        let name = format!("FDNAME={name}");
        tell(&[
            NotifyState::Custom("FDSTOREREMOVE=1"),
            NotifyState::Custom(&name),
        ]);
    }
}

/// Tells systemd something, with a descriptor.
fn send(text: &str, descriptor: BorrowedFd<'_>) -> io::Result<()> {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else {
        return Ok(());
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors = [descriptor];
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    let parts = [IoSlice::new(text.as_bytes())];
    rustix::io::retry_on_intr(|| sendmsg(&socket, &parts, &mut ancillary, SendFlags::empty()))?;
    Ok(())
}
