//! Sockets that systemd keeps from one process to the next, and what of them still is what the file says.

use std::{
    fs::{self, Permissions},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::{ffi::OsStrExt, ffi::OsStringExt, fs::PermissionsExt},
    },
    path::PathBuf,
};

use rustix::net::{Shutdown, shutdown};

use super::{Open, Sockets};
use crate::listen::{Door, Place, SocketFile, socket::is_v6_only};

/// What all names begin with.
const MARK: &str = "tower-socks,";

/// The longest name that systemd takes.
const LONGEST: usize = 255;

/// Returns the place that is stated for a socket of this name, which has been kept; `None`, if nothing of ours has such a
/// name.
pub(super) fn stated(name: &str, listening: &Place) -> Option<Place> {
    let mut parts = name.strip_prefix(MARK)?.split(',');
    let place = match (parts.next(), parts.next().and_then(unescape)) {
        (Some("tcp"), Some(address)) => {
            let address = String::from_utf8(address).ok();
            address
                .and_then(|address| address.parse().ok())
                .map(Place::Tcp)
        }
        (Some("unix"), Some(path)) => {
            let path = std::ffi::OsString::from_vec(path);
            Some(Place::Unix(PathBuf::from(path)))
        }
        _ => None,
    };
    // What cannot be read is nowhere in the file.
    Some(place.unwrap_or_else(|| listening.clone()))
}

/// Names a socket by its place, and by that where it listens if that is another one. Too long a path has no name.
fn name(stated: &Place, listening: &Place) -> Option<String> {
    let part = |place: &Place| match place {
        Place::Tcp(address) => escape(address.to_string().as_bytes()),
        Place::Unix(path) => escape(path.as_os_str().as_bytes()),
    };
    let kind = match stated {
        Place::Tcp(_) => "tcp",
        Place::Unix(_) => "unix",
    };
    let mut name = format!("{MARK}{kind},{}", part(stated));
    if stated != listening {
        name.push(',');
        name.push_str(&part(listening));
    }
    (name.len() <= LONGEST).then_some(name)
}

/// Escapes what a name cannot have, or has between its parts.
fn escape(text: &[u8]) -> String {
    let mut escaped = String::new();
    for octet in text {
        match octet {
            b'.' | b'-' | b'_' | b'/' | b'[' | b']' => escaped.push(char::from(*octet)),
            octet if octet.is_ascii_alphanumeric() => escaped.push(char::from(*octet)),
            octet => escaped.push_str(&format!("%{octet:02x}")),
        }
    }
    escaped
}

fn unescape(text: &str) -> Option<Vec<u8>> {
    let (mut octets, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((octet, more)) = rest.split_first() {
        rest = more;
        if *octet != b'%' {
            octets.push(*octet);
            continue;
        }
        let (digits, more) = rest.split_at_checked(2)?;
        octets.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = more;
    }
    Some(octets)
}

impl Sockets {
    /// Closes what has been kept and cannot serve these doors: nobody can connect there from now on, though systemd has it
    /// for a moment. Returns the names of what it is to forget. At the start, when no other process serves.
    pub(crate) fn close_unstated(&mut self, doors: &[Door]) -> Vec<String> {
        // A door has one of them, however many were kept for its place.
        let mut without: Vec<&Door> = doors.iter().collect();
        let mut fit = Vec::with_capacity(self.open.len());
        for open in &self.open {
            let place = without.iter().position(|door| door.place == open.stated);
            let door = place.and_then(|place| without.get(place));
            let fits = open.kept.is_none() || door.is_some_and(|door| open.fits(door, doors));
            if let Some(place) = place.filter(|_| fits) {
                without.remove(place);
            }
            fit.push(fits);
        }
        // What is to be opened would find its port taken by another of them.
        let is_kept = |door: &&Door| {
            let mut open = self.open.iter().zip(&fit);
            open.any(|(open, fits)| *fits && open.stated == door.place)
        };
        let missing = doors.iter().filter(|door| !is_kept(door));
        let ports: Vec<_> = missing.filter_map(|door| port(&door.place)).collect();
        for (open, fits) in self.open.iter().zip(&mut fit) {
            let is_rival = port(&open.listening).is_some_and(|port| ports.contains(&port));
            *fits &= open.kept.is_none() || !is_rival;
        }
        let mut forgotten = Vec::new();
        let mut fit = fit.into_iter();
        self.open.retain(|open| {
            let fits = fit.next().unwrap_or_default();
            if !fits {
                _ = shutdown(open.socket.as_fd(), Shutdown::Both);
                forgotten.extend(open.kept.clone());
            }
            fits
        });
        forgotten
    }

    /// Those that systemd can keep, by their names: it has others from a socket unit anyway.
    pub(crate) fn to_keep(&self) -> Vec<(String, BorrowedFd<'_>)> {
        let open = self.open.iter().skip(self.names.len());
        let named = open.filter_map(|open| {
            let name = name(&open.stated, &open.listening)?;
            Some((name, open.socket.as_fd()))
        });
        named.collect()
    }

    /// How many an earlier process has had kept for this one.
    pub(crate) fn kept(&self) -> usize {
        self.open.iter().filter(|open| open.kept.is_some()).count()
    }

    /// The names under which they may be kept.
    pub(crate) fn names_kept(&self) -> Vec<String> {
        self.to_keep().into_iter().map(|(name, _)| name).collect()
    }

    /// Leaves the files of all Unix sockets: the next process has the sockets.
    pub(crate) fn leave_all_files(&self) {
        for open in &self.open {
            if let Some(file) = open.file().take() {
                file.leave();
            }
        }
    }
}

impl Open {
    /// Whether what has been kept for the place of a door can go on serving it. Takes over the file of a Unix socket.
    fn fits(&self, door: &Door, doors: &[Door]) -> bool {
        if name(&self.stated, &self.listening) != self.kept {
            return false;
        }
        match (&self.stated, &self.listening) {
            (Place::Tcp(stated), Place::Tcp(listening)) => {
                let is_there =
                    stated.ip() == listening.ip() && (stated.port() == 0 || stated == listening);
                let is_v6_alone = rustix::net::sockopt::ipv6_v6only(&self.socket);
                is_there
                    && (stated.is_ipv4() || is_v6_alone.ok() == Some(is_v6_only(*stated, doors)))
            }
            (Place::Unix(path), Place::Unix(listening)) if path == listening => {
                let mode = Permissions::from_mode(door.mode.0);
                let file =
                    SocketFile::adopt(path).filter(|_| fs::set_permissions(path, mode).is_ok());
                if let Some(file) = file {
                    // Changed permissions are another time of the file.
                    file.leave();
                    *self.file() = SocketFile::adopt(path);
                }
                self.file().is_some()
            }
            _ => false,
        }
    }
}

fn port(place: &Place) -> Option<u16> {
    let port = place.address().map(|address| address.port());
    port.filter(|port| *port != 0)
}
