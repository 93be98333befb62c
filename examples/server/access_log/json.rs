//! The JSON format: one object a line, with OpenTelemetry's names where it has one.

use std::{
    fmt::{self, Display, Write},
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use tower_socks::{
    layer::record::{Destination, EndKind, Record},
    proto::Address,
    session::Protocol,
};

use crate::log::Privacy;

/// Appends the line of a record.
pub(super) fn write(line: &mut String, record: &Record, privacy: &Privacy) {
    let mut object = Object::begin(line);
    object.text("timestamp", &Time(record.started + record.duration));
    object.text("event.name", &event(record));
    object.text("session.id", &record.session);
    if record.request > 0 {
        object.number("request", record.request);
    }
    if let Some(listener) = &record.listener {
        object.text("listener", listener);
    }
    object.address("client", record.client, |ip| privacy.client(ip));
    if let Some(protocol) = record.protocol {
        let (name, version) = match protocol {
            Protocol::Socks4 => ("socks", "4"),
            Protocol::Http => ("http", "1.1"),
            _ => ("socks", "5"),
        };
        object.text("network.protocol.name", &name);
        object.text("network.protocol.version", &version);
    }
    if record.identity.name().is_some() {
        object.text("user.name", &privacy.user(&record.identity));
    }
    if let Some(tried) = &record.tried {
        let tried = tower_socks::Identity::named(tried);
        object.text("login.name", &privacy.user(&tried));
    }
    if let Some(command) = record.command {
        object.text("command", &command);
    }
    let is_udp = record.destinations.is_some();
    if is_udp {
        object.truth("udp_over_tcp", record.udp_over_tcp.is_some());
    }
    if let Some(target) = record.target.as_ref().filter(|_| !is_udp) {
        object.target("server", target, privacy);
    }
    if let Some(dialled) = record.dialled {
        object.address("network.peer", dialled, |ip| privacy.target_address(ip));
    }
    if let Some(bound) = record.bound.as_ref().and_then(Address::ip) {
        object.address("network.local", bound, |ip| Some(ip.to_string()));
    }
    if let Some(upstream) = &record.upstream {
        object.text("upstream", upstream);
    }
    if let Some(code) = record.reply_code {
        object.number("reply_code", code.0.into());
    }
    if let Some(dial) = record.dial {
        object.seconds("dial.duration", dial);
    }
    object.seconds("duration", record.duration);
    object.number("bytes.up", record.traffic.up);
    object.number("bytes.down", record.traffic.down);
    if let Some(destinations) = &record.destinations {
        object.number("datagrams.up", record.datagrams.up);
        object.number("datagrams.down", record.datagrams.down);
        object.number("datagrams.dropped", record.datagrams_dropped);
        let list = destinations.list();
        object.list("destinations", list.iter(), |object, one| {
            object.target("server", &one.address, privacy);
            object.counts(one);
        });
        if let Some(rest) = destinations.rest() {
            object.key(&["destinations.rest"]);
            let mut others = Object::begin(object.line);
            others.counts(&rest);
            others.end();
        }
    }
    if let Some(end) = &record.end {
        object.text("outcome", &end.kind);
        if let Some(step) = end.step {
            object.text("step", &step);
        }
        if let Some(rule) = &end.rule {
            object.text("rule", rule);
        }
        if let Some(error) = &end.error {
            object.text(
                "error.message",
                &privacy.text(error, record.target.as_ref()),
            );
        }
    }
    object.end();
    line.push('\n');
}

const fn event(record: &Record) -> &'static str {
    match &record.end {
        None => "session.interim",
        Some(end) => match end.kind {
            EndKind::LoginFailed => "login.failed",
            _ => "session.end",
        },
    }
}

/// A time of the clock: RFC 3339 in UTC, in milliseconds.
struct Time(SystemTime);

impl Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::try_from(self.0) {
            Ok(time) => write!(f, "{time:.3}"),
            Err(_) => Ok(()),
        }
    }
}

/// An object that is being written.
struct Object<'a> {
    line: &'a mut String,
    is_empty: bool,
}

// Writing to a string cannot fail.
impl<'a> Object<'a> {
    fn begin(line: &'a mut String) -> Self {
        line.push('{');
        Self {
            line,
            is_empty: true,
        }
    }

    fn end(self) {
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

    fn text(&mut self, key: &str, value: &impl Display) {
        self.key(&[key]);
        self.value(value);
    }

    fn number(&mut self, key: &str, value: u64) {
        self.key(&[key]);
        _ = write!(self.line, "{value}");
    }

    fn truth(&mut self, key: &str, value: bool) {
        self.key(&[key]);
        _ = write!(self.line, "{value}");
    }

    fn seconds(&mut self, key: &str, value: Duration) {
        self.key(&[key]);
        _ = write!(
            self.line,
            "{}.{:06}",
            value.as_secs(),
            value.subsec_micros()
        );
    }

    /// An address and a port, unless there is none.
    fn address(
        &mut self,
        of: &str,
        address: SocketAddr,
        shown: impl Fn(std::net::IpAddr) -> Option<String>,
    ) {
        if address.ip().is_unspecified() && address.port() == 0 {
            return;
        }
        if let Some(shown) = shown(address.ip().to_canonical()) {
            self.key(&[of, ".address"]);
            self.value(&shown);
            self.key(&[of, ".port"]);
            _ = write!(self.line, "{}", address.port());
        }
    }

    fn target(&mut self, of: &str, target: &Address, privacy: &Privacy) {
        match target {
            Address::Ip(address) => self.address(of, *address, |ip| privacy.target_address(ip)),
            Address::Name(name, port) => {
                if let Some(shown) = privacy.target_name(name.as_str()) {
                    self.key(&[of, ".address"]);
                    self.value(&shown);
                    self.key(&[of, ".port"]);
                    _ = write!(self.line, "{port}");
                }
            }
        }
    }

    fn list<'b>(
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

    fn counts(&mut self, one: &Destination) {
        self.number("datagrams.up", one.datagrams_up);
        self.number("bytes.up", one.up);
        self.number("datagrams.down", one.datagrams_down);
        self.number("bytes.down", one.down);
    }
}

/// The text of a JSON string. What could reorder or hide what people see of a line is escaped as well.
struct Escaped<'a>(&'a mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for shown in text.chars() {
            match shown {
                '"' => self.0.push_str("\\\""),
                '\\' => self.0.push_str("\\\\"),
                ' '..='~' => self.0.push(shown),
                _ if shown.is_alphanumeric() => self.0.push(shown),
                _ => {
                    let mut units = [0; 2];
                    for unit in shown.encode_utf16(&mut units) {
                        write!(self.0, "\\u{unit:04x}")?;
                    }
                }
            }
        }
        Ok(())
    }
}
