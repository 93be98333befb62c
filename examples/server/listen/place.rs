//! A place that clients connect to: an address, or the path of a Unix socket.

use std::{
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// Where a listener is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Place {
    /// Returns the address, which a Unix socket has not.
    pub(crate) const fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Tcp(_) => None,
            Self::Unix(path) => Some(path),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            // A name may have line ends in it.
            Self::Unix(path) => write!(f, "{}", path.to_string_lossy().escape_debug()),
        }
    }
}

/// An address as people write it, or how to write it.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        let form = "expected ADDR:PORT, such as 127.0.0.1:1080 or [::1]:1080";
        match text.contains('/') {
            true => {
                format!("{text}: {form}; a Unix socket is the `path` of a [[listen]] in the file")
            }
            false => format!("{text}: {form}"),
        }
    })
}
