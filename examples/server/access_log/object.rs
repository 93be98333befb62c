//! An object of JSON, written into a line without copies.

use std::{
    fmt::{Display, Write},
    net::{IpAddr, SocketAddr},
    time::{Duration, SystemTime},
};

use tower_socks::{layer::record::Destination, proto::Address};

use super::values::{Escaped, digits, fraction, write_ip, write_time};
use crate::log::Privacy;

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

    fn key(&mut self, parts: &[&str]) {
        if !self.is_empty {
            self.line.push(',');
        }
        self.is_empty = false;
        self.line.push('"');
        for part in parts {
            self.line.push_str(part);
        }
        self.line.push_str("\":");
    }

    fn value(&mut self, value: &impl Display) {
        self.line.push('"');
        _ = write!(Escaped(self.line), "{value}");
        self.line.push('"');
    }

    pub(super) fn text(&mut self, key: &str, value: &impl Display) {
        self.key(&[key]);
        self.value(value);
    }

    pub(super) fn number(&mut self, key: &str, value: u64) {
        self.key(&[key]);
        digits(self.line, value);
    }

    pub(super) fn truth(&mut self, key: &str, value: bool) {
        self.key(&[key]);
        self.line.push_str(if value { "true" } else { "false" });
    }

    pub(super) fn seconds(&mut self, key: &str, value: Duration) {
        self.key(&[key]);
        digits(self.line, value.as_secs());
        fraction(self.line, value.subsec_micros(), 6);
    }

    /// A time of the clock: RFC 3339 in UTC, in milliseconds.
    pub(super) fn time(&mut self, key: &str, time: SystemTime) {
        self.key(&[key]);
        self.line.push('"');
        write_time(self.line, time);
        self.line.push('"');
    }

    /// An address and a port, unless there is none.
    pub(super) fn address(
        &mut self,
        of: &str,
        address: SocketAddr,
        shown: impl Fn(IpAddr) -> Option<IpAddr>,
    ) {
        if address.ip().is_unspecified() && address.port() == 0 {
            return;
        }
        if let Some(shown) = shown(address.ip().to_canonical()) {
            self.key(&[of, ".address"]);
            self.line.push('"');
            write_ip(self.line, shown);
            self.line.push('"');
            self.key(&[of, ".port"]);
            digits(self.line, address.port().into());
        }
    }

    pub(super) fn target(&mut self, of: &str, target: &Address, privacy: &Privacy) {
        match target {
            Address::Ip(address) => self.address(of, *address, |ip| privacy.target_ip(ip)),
            Address::Name(name, port) => {
                if let Some(shown) = privacy.shown_name(name.as_str()) {
                    self.key(&[of, ".address"]);
                    self.value(&shown);
                    self.key(&[of, ".port"]);
                    digits(self.line, (*port).into());
                }
            }
        }
    }

    pub(super) fn object(&mut self, key: &str, write: impl FnOnce(&mut Object<'_>)) {
        self.key(&[key]);
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
        self.key(&[key]);
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
        self.number("datagrams.up", one.datagrams_up);
        self.number("bytes.up", one.up);
        self.number("datagrams.down", one.datagrams_down);
        self.number("bytes.down", one.down);
    }
}
