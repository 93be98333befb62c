//! Errors of addresses and interfaces that cannot be left from.

use std::{error::Error, fmt, io, net::IpAddr};

/// The error of an interface that cannot be left by: this machine's, not the target's.
pub(super) fn by_interface(name: &str, error: io::Error) -> io::Error {
    let hint = match error.kind() {
        io::ErrorKind::PermissionDenied => ", which takes CAP_NET_RAW here",
        _ => "",
    };
    let what = format!("cannot leave by interface {}{hint}", name.escape_debug());
    io::Error::new(io::ErrorKind::AddrNotAvailable, Leaving { what, error })
}

/// The error of an address that cannot be left from, in the kinds that say that it is this machine's.
pub(in crate::connector) fn leaving(address: IpAddr, error: io::Error) -> io::Error {
    let kind = match error.kind() {
        io::ErrorKind::AddrInUse => io::ErrorKind::AddrInUse,
        _ => io::ErrorKind::AddrNotAvailable,
    };
    let what = format!("cannot leave from {address}");
    io::Error::new(kind, Leaving { what, error })
}

#[derive(Debug)]
struct Leaving {
    what: String,
    error: io::Error,
}

impl fmt::Display for Leaving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Error for Leaving {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}
