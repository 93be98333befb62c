//! The native format of squid's access.log, for programs that read it: one line a session.
//!
//! ```text
//! time.ms elapsed client result/status bytes method URL user hierarchy/peer type
//! ```

use std::{
    fmt::Write,
    time::{SystemTime, UNIX_EPOCH},
};

use tower_socks::{
    layer::record::{EndKind, Record},
    proto::{Address, Command},
};

use crate::log::Privacy;

/// Appends the line of a record.
pub(super) fn write(line: &mut String, record: &Record, privacy: &Privacy) {
    let ended: SystemTime = record.started + record.duration;
    let ended = ended.duration_since(UNIX_EPOCH).unwrap_or_default();
    let client = privacy.client(record.client.ip().to_canonical());
    let (result, status) = result(record);
    // Writing to a string cannot fail.
    _ = write!(
        line,
        "{:9}.{:03} {:6} {} {result}/{status:03} {} ",
        ended.as_secs(),
        ended.subsec_millis(),
        record.duration.as_millis(),
        client.as_deref().unwrap_or("-"),
        record.traffic.down,
    );
    match (&record.command, &record.target) {
        (Some(command), Some(target)) => match &record.forwarded {
            Some(forwarded) => {
                escape(line, &forwarded.method);
                line.push(' ');
                forwarded_url(line, target, &forwarded.path, privacy);
            }
            None => {
                line.push_str(method(*command));
                line.push(' ');
                url(line, record, target, privacy);
            }
        },
        _ if status == 407 => line.push_str("CONNECT error:login-failed"),
        _ => line.push_str("NONE error:invalid-request"),
    }
    line.push(' ');
    match (record.identity.name(), &record.tried) {
        (Some(_), _) => escape(line, &privacy.user(&record.identity)),
        (None, Some(tried)) => {
            let tried = tower_socks::Identity::named(tried);
            escape(line, &privacy.user(&tried));
        }
        (None, None) => line.push('-'),
    }
    match (&record.upstream, record.dialled) {
        (Some(upstream), _) => {
            line.push_str(" FIRSTUP_PARENT/");
            escape(line, upstream);
        }
        (None, Some(dialled)) => {
            let shown = privacy.target_address(dialled.ip().to_canonical());
            _ = write!(line, " HIER_DIRECT/{}", shown.as_deref().unwrap_or("-"));
        }
        (None, None) => line.push_str(" HIER_NONE/-"),
    }
    line.push_str(" -\n");
}

/// The method of HTTP that comes nearest to a command: what reads this format knows no other words.
const fn method(command: Command) -> &'static str {
    match command {
        Command::RESOLVE | Command::RESOLVE_PTR => "HEAD",
        _ => "CONNECT",
    }
}

/// What became of it: squid's word, and the status that an HTTP client would see.
fn result(record: &Record) -> (&'static str, u16) {
    let Some(end) = &record.end else {
        return ("TCP_TUNNEL", 200);
    };
    let is_open = record.bound.is_some();
    let status = record.forwarded.as_ref().map(|forwarded| forwarded.status);
    match end.kind {
        EndKind::ClientBroke if is_open && status.is_some() => {
            ("TCP_MISS_ABORTED", status.flatten().unwrap_or(0))
        }
        _ if is_open && let Some(Some(status)) = status => ("TCP_MISS", status),
        // The origin has said nothing that could be passed on.
        _ if is_open && status.is_some() => ("TCP_MISS", 502),
        EndKind::ClientBroke if is_open => ("TCP_TUNNEL_ABORTED", 200),
        _ if is_open => ("TCP_TUNNEL", 200),
        EndKind::LoginFailed => ("TCP_DENIED", 407),
        EndKind::Refused => ("TCP_DENIED", 403),
        EndKind::Unreachable => ("TCP_MISS", 503),
        EndKind::Upstream => ("TCP_MISS", 502),
        EndKind::Client if record.request == 0 => ("NONE_NONE", 400),
        EndKind::Client => ("NONE_NONE_ABORTED", 0),
        _ => ("TCP_MISS", 500),
    }
}

/// What was asked of an origin, as far as targets are told: its path is told where all of the target is.
fn forwarded_url(line: &mut String, target: &Address, path: &str, privacy: &Privacy) {
    let Some(host) = host(target, privacy) else {
        line.push('-');
        return;
    };
    line.push_str("http://");
    escape(line, &host);
    if target.port() != 80 {
        _ = write!(line, ":{}", target.port());
    }
    match privacy.tells_paths() {
        true => escape_path(line, path),
        false => line.push('/'),
    }
}

/// The target; of an association the first of its destinations.
fn url(line: &mut String, record: &Record, target: &Address, privacy: &Privacy) {
    let first = record
        .destinations
        .as_ref()
        .and_then(|destinations| destinations.list().into_iter().next());
    let target = first.as_ref().map_or(target, |first| &first.address);
    match host(target, privacy) {
        Some(host) => {
            escape(line, &host);
            _ = write!(line, ":{}", target.port());
        }
        None => line.push('-'),
    }
}

/// A target without its port, if it is told.
fn host(target: &Address, privacy: &Privacy) -> Option<String> {
    match target {
        Address::Ip(address) => {
            let ip = address.ip().to_canonical();
            let shown = privacy.target_address(ip);
            shown.map(|shown| match ip.is_ipv6() {
                true => format!("[{shown}]"),
                false => shown,
            })
        }
        Address::Name(name, _) => privacy.target_name(name.as_str()),
    }
}

/// Appends a path, in which `%` stands for itself: it is escaped already.
fn escape_path(line: &mut String, path: &str) {
    let mut parts = path.split('%');
    escape_part(line, parts.next().unwrap_or_default());
    for part in parts {
        line.push('%');
        escape_part(line, part);
    }
}

/// Escapes what would end a field or a line, as squid does in names.
fn escape(line: &mut String, text: &str) {
    escape_part(line, text);
    if text.is_empty() {
        line.push('-');
    }
}

fn escape_part(line: &mut String, text: &str) {
    for octet in text.bytes() {
        match octet {
            b'!'..=b'~' if !matches!(octet, b'%' | b'"' | b'\\' | b'\'') => {
                line.push(char::from(octet));
            }
            _ => _ = write!(line, "%{octet:02X}"),
        }
    }
}
