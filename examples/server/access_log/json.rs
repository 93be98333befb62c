//! The JSON format: one object a line, with OpenTelemetry's names where it has one.

use tower_socks::{
    layer::record::{EndKind, Record},
    proto::Address,
    session::Protocol,
};

use super::object::{Object, key, keys};
use crate::log::Privacy;

/// Appends the line of a record.
pub(super) fn write(line: &mut String, record: &Record, privacy: &Privacy) {
    let mut object = Object::begin(line);
    object.time(key!("timestamp"), record.started + record.duration);
    object.said(key!("event.name"), event(record));
    object.id(key!("session.id"), record.session);
    if record.request > 0 {
        object.number(key!("request"), record.request);
    }
    if let Some(listener) = &record.listener {
        object.said(key!("listener"), listener);
    }
    object.address(keys!("client"), record.client, |ip| {
        Some(privacy.client_address(ip))
    });
    if let Some(protocol) = record.protocol {
        let (name, version) = match protocol {
            Protocol::Socks4 => ("socks", "4"),
            Protocol::Http => ("http", "1.1"),
            _ => ("socks", "5"),
        };
        object.said(key!("network.protocol.name"), name);
        object.said(key!("network.protocol.version"), version);
    }
    if record.identity.name().is_some() {
        object.said(key!("user.name"), &privacy.user(&record.identity));
    }
    if let Some(tried) = &record.tried {
        let tried = tower_socks::Identity::named(tried);
        object.said(key!("login.name"), &privacy.user(&tried));
    }
    if let Some(command) = record.command {
        object.text(key!("command"), &command);
    }
    let is_udp = record.destinations.is_some();
    if is_udp {
        object.truth(key!("udp_over_tcp"), record.udp_over_tcp.is_some());
    }
    if let Some(target) = record.target.as_ref().filter(|_| !is_udp) {
        object.target(keys!("server"), target, privacy);
    }
    if let Some(dialled) = record.dialled {
        object.address(keys!("network.peer"), dialled, |ip| privacy.target_ip(ip));
    }
    if let Some(forwarded) = &record.forwarded {
        object.said(key!("http.request.method"), &forwarded.method);
        if privacy.tells_paths() {
            object.said(key!("url.path"), &forwarded.path);
        }
        if let Some(status) = forwarded.status {
            object.number(key!("http.response.status_code"), status.into());
        }
    }
    if let Some(bound) = record.bound.as_ref().and_then(Address::ip) {
        object.address(keys!("network.local"), bound, Some);
    }
    if let Some(upstream) = &record.upstream {
        object.said(key!("upstream"), upstream);
    }
    if let Some(code) = record.reply_code {
        object.number(key!("reply_code"), code.0.into());
    }
    if let Some(dial) = record.dial {
        object.seconds(key!("dial.duration"), dial);
    }
    object.seconds(key!("duration"), record.duration);
    object.number(key!("bytes.up"), record.traffic.up);
    object.number(key!("bytes.down"), record.traffic.down);
    if let Some(destinations) = &record.destinations {
        object.number(key!("datagrams.up"), record.datagrams.up);
        object.number(key!("datagrams.down"), record.datagrams.down);
        object.number(key!("datagrams.dropped"), record.datagrams_dropped);
        let list = destinations.list();
        object.list(key!("destinations"), list.iter(), |object, one| {
            object.target(keys!("server"), &one.address, privacy);
            object.counts(one);
        });
        if let Some(rest) = destinations.rest() {
            object.object(key!("destinations.rest"), |others| others.counts(&rest));
        }
    }
    if let Some(end) = &record.end {
        object.said(key!("outcome"), end.kind.as_str());
        if let Some(step) = end.step {
            object.text(key!("step"), &step);
        }
        if let Some(rule) = &end.rule {
            object.said(key!("rule"), rule);
        }
        if let Some(error) = &end.error {
            object.said(
                key!("error.message"),
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
