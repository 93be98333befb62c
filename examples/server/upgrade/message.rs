//! What two processes say to each other, in JSON.

use std::{net::SocketAddr, os::fd::OwnedFd, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::listen::Place;

/// The number of the protocol. The new process says which one it speaks, and the old one refuses what it does not know.
pub(super) const PROTOCOL: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Message {
    Hello {
        protocol: u32,
    },
    /// With its descriptor.
    Socket(Role),
    /// These were all.
    End,
    /// The new process serves. It has taken the sockets with these places in the list.
    Ready {
        taken: Vec<usize>,
    },
    /// The old process accepts no more.
    Yours,
    /// By the old process, at any time: it goes on.
    Refused {
        why: String,
    },
}

/// What a socket is for: that is how it is found again, whatever its place in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    /// Clients connect there.
    Door {
        /// Where it is by the file or by systemd.
        stated: Place,
        /// The name of one that systemd has passed.
        name: Option<String>,
        /// Whether its file, of a Unix socket, goes with the server.
        has_file: bool,
    },
    /// Of `[metrics]`.
    Metrics { stated: SocketAddr },
    /// Of `listen` of `[pac]`.
    Pac { stated: SocketAddr },
    /// At which an upgrade is asked for.
    Upgrade { path: PathBuf },
    /// Of `[admin]`.
    Admin { path: PathBuf },
    /// Open for as long as an earlier process is there.
    Predecessor,
}

/// A socket that goes from one process to the other.
#[derive(Debug)]
pub(crate) struct Handed {
    pub(crate) role: Role,
    pub(crate) socket: OwnedFd,
}
