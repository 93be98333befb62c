//! An object of JSON, written into a line without copies.

use std::{
    fmt::{Display, Write},
    net::{IpAddr, SocketAddr},
    time::{Duration, SystemTime},
};

use tower_socks::{
    layer::record::{Destination, SessionId},
    proto::Address,
};

use super::values::{Escaped, Exact, digits, fraction, write_id, write_ip, write_time};
use crate::log::Privacy;

/// A key as it is written behind another field: known ahead, and so written at once.
macro_rules! key {
    ($name:literal) => {
        concat!(",\"", $name, "\":")
    };
}

/// The keys of an address and its port.
macro_rules! keys {
    ($of:literal) => {
        [
            concat!(",\"", $of, ".address\":"),
            concat!(",\"", $of, ".port\":"),
        ]
    };
}

pub(super) use {key, keys};

/// An object that is being written.
pub(super) struct Object<'a> {
    line: &'a mut String,
    is_empty: bool,
}

// Writing to a string cannot fail.
impl<'a> Object<'a> {
    pub(super) fn begin(line: &'a mut String) -> Self {
        line.push('{');
        Self {
            line,
            is_empty: true,
        }
    }

    pub(super) fn end(self) {
        self.line.push('}');
    }

    /// Writes a [`key!`].
    fn key(&mut self, key: &str) {
        let is_first = std::mem::take(&mut self.is_empty);
        let first = key.strip_prefix(',').filter(|_| is_first);
        self.line.push_str(first.unwrap_or(key));
    }

    pub(super) fn text(&mut self, key: &str, value: &impl Display) {
        self.key(key);
        self.line.push('"');
        _ = write!(Escaped(self.line), "{value}");
        self.line.push('"');
    }

    /// The same of what is a text already.
    pub(super) fn said(&mut self, key: &str, value: &str) {
        self.key(key);
        self.line.push('"');
        _ = Escaped(self.line).write_str(value);
        self.line.push('"');
    }

    pub(super) fn id(&mut self, key: &str, id: SessionId) {
        self.key(key);
        self.line.push('"');
        write_id(self.line, id.instance(), id.number());
        self.line.push('"');
    }

    pub(super) fn number(&mut self, key: &str, value: u64) {
        self.key(key);
        digits(self.line, value);
    }

    pub(super) fn truth(&mut self, key: &str, value: bool) {
        self.key(key);
        self.line.push_str(if value { "true" } else { "false" });
    }

    pub(super) fn seconds(&mut self, key: &str, value: Duration) {
        self.key(key);
        digits(self.line, value.as_secs());
        fraction(self.line, value.subsec_micros(), 6);
    }

    /// A time of the clock: RFC 3339 in UTC, in milliseconds.
    pub(super) fn time(&mut self, key: &str, time: SystemTime) {
        self.key(key);
        self.line.push('"');
        write_time(self.line, time, Exact::Milliseconds);
        self.line.push('"');
    }

    /// An address and a port, unless there is none.
    pub(super) fn address(
        &mut self,
        [of, port_of]: [&str; 2],
        address: SocketAddr,
        shown: impl Fn(IpAddr) -> Option<IpAddr>,
    ) {
        if address.ip().is_unspecified() && address.port() == 0 {
            return;
        }
        if let Some(shown) = shown(address.ip().to_canonical()) {
            self.key(of);
            self.line.push('"');
            write_ip(self.line, shown);
            self.line.push('"');
            self.key(port_of);
            digits(self.line, address.port().into());
        }
    }

    pub(super) fn target(&mut self, [of, port_of]: [&str; 2], target: &Address, privacy: &Privacy) {
        match target {
            Address::Ip(address) => {
                self.address([of, port_of], *address, |ip| privacy.target_ip(ip))
            }
            Address::Name(name, port) => {
                if let Some(shown) = privacy.shown_name(name.as_str()) {
                    self.said(of, shown);
                    self.key(port_of);
                    digits(self.line, (*port).into());
                }
            }
        }
    }

    pub(super) fn object(&mut self, key: &str, write: impl FnOnce(&mut Object<'_>)) {
        self.key(key);
        let mut object = Object::begin(self.line);
        write(&mut object);
        object.end();
    }

    pub(super) fn list<'b>(
        &mut self,
        key: &str,
        entries: impl Iterator<Item = &'b Destination>,
        write: impl Fn(&mut Object<'_>, &Destination),
    ) {
        self.key(key);
        self.line.push('[');
        for (place, entry) in entries.enumerate() {
            if place > 0 {
                self.line.push(',');
            }
            let mut object = Object::begin(self.line);
            write(&mut object, entry);
            object.end();
        }
        self.line.push(']');
    }

    pub(super) fn counts(&mut self, one: &Destination) {
        self.number(key!("datagrams.up"), one.datagrams_up);
        self.number(key!("bytes.up"), one.up);
        self.number(key!("datagrams.down"), one.datagrams_down);
        self.number(key!("bytes.down"), one.down);
    }
}
