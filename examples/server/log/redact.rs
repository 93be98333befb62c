//! Lines of the log without what is not to be told.
//!
//! Every line goes through here when it is complete, so nobody who writes one has to think of it. Fields that are
//! known are changed as a whole, and in all others, and in texts, whatever reads like a host, an address or a name in
//! quotes.

use std::net::{IpAddr, SocketAddr};

use serde_json::Value;

use super::privacy::{Clients, Privacy, Targets, Users};

/// Fields with the address of a client.
const CLIENTS: [&str; 3] = ["peer", "client", "sender"];

/// Fields with the name of a user.
const USERS: [&str; 3] = ["user", "name", "identity"];

/// Fields with a target.
const TARGETS: [&str; 8] = [
    "target",
    "destination",
    "address",
    "stated",
    "completed",
    "host",
    "reached",
    "dialled",
];

/// Scripts wait for this one, which has addresses of our own.
const LISTENING: &str = "listening";

/// A line in JSON.
pub(super) fn json(privacy: &Privacy, line: &str) -> Option<String> {
    let mut value: Value = serde_json::from_str(line).ok()?;
    if value.get("target")?.as_str()? == LISTENING {
        return None;
    }
    let entries = value.as_object_mut()?;
    // Where the line comes from, and when.
    let is_own = |key: &str| matches!(key, "target" | "timestamp" | "level");
    let mut known = Known::default();
    for (key, value) in entries.iter().filter(|(key, _)| !is_own(key)) {
        known.learn_value(key, value);
    }
    for (key, value) in entries.iter_mut().filter(|(key, _)| !is_own(key)) {
        redact_value(privacy, &known, key, value);
    }
    Some(value.to_string() + "\n")
}

fn redact_value(privacy: &Privacy, known: &Known, key: &str, value: &mut Value) {
    match value {
        Value::String(shown) => *shown = field(privacy, known, key, shown),
        Value::Array(values) => {
            for value in values {
                redact_value(privacy, known, key, value);
            }
        }
        Value::Object(entries) => {
            for (key, value) in entries {
                redact_value(privacy, known, key, value);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A line of text: time, level, spans, where it comes from, and fields.
pub(super) fn plain(privacy: &Privacy, line: &str) -> Option<String> {
    let line = &without_colours(line);
    let level = line.find(|c: char| c.is_ascii_alphabetic() && !"TZ".contains(c))?;
    let rest = line.get(level..)?;
    let rest = level + rest.find(' ')?;
    let (front, rest) = line.split_at(rest);
    if rest.trim_start().starts_with("listening: ") {
        return None;
    }
    let mut known = Known::default();
    let (mut key, mut fields) = ("", rest);
    while let Some((before, next, after)) = next_key(fields) {
        known.learn(key, before);
        (key, fields) = (next, after);
    }
    known.learn(key, fields);
    let mut shown = front.to_owned();
    let mut rest = rest;
    let mut key = "";
    while let Some((before, next, after)) = next_key(rest) {
        put(privacy, &known, key, before, &mut shown);
        shown.push_str(next);
        shown.push('=');
        (key, rest) = (next, after);
    }
    put(privacy, &known, key, rest, &mut shown);
    Some(shown)
}

/// A terminal's line has them.
fn without_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, code)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = code.split_once('m').map_or("", |(_, behind)| behind);
    }
    plain + rest
}

/// Appends a value, with what stands behind it: the end of spans, and the text of the line.
fn put(privacy: &Privacy, known: &Known, key: &str, value: &str, shown: &mut String) {
    let (value, behind) = value.split_at(end(value));
    shown.push_str(&field(privacy, known, key, value));
    shown.push_str(&text(privacy, known, behind));
}

/// Where a value ends: at the last of these, since a name may have one in it.
fn end(value: &str) -> usize {
    value.rfind("}:").unwrap_or(value.trim_end().len())
}

/// The next `key=`: what is before it, the key, and what is behind it.
fn next_key(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    loop {
        let equals = from + text.get(from..)?.find('=')?;
        let before = text.get(..equals)?;
        let is_key = |c: char| c.is_ascii_lowercase() || matches!(c, '_' | '.');
        let begins = before.trim_end_matches(is_key).len();
        let key = before.get(begins..)?;
        if !key.is_empty() && before.get(..begins)?.ends_with([' ', '{']) {
            return Some((before.get(..begins)?, key, text.get(equals + 1..)?));
        }
        from = equals + 1;
    }
}

fn field(privacy: &Privacy, known: &Known, key: &str, value: &str) -> String {
    let (value, spaces) = value.split_at(value.trim_end().len());
    let shown = if CLIENTS.contains(&key) {
        client(privacy, known, value)
    } else if USERS.contains(&key) {
        privacy.user_name(value)
    } else if TARGETS.contains(&key) {
        target(privacy, value).unwrap_or_else(|| "-".into())
    } else {
        text(privacy, known, value)
    };
    shown + spaces
}

fn client(privacy: &Privacy, known: &Known, value: &str) -> String {
    if privacy.clients == Clients::Full {
        return value.to_owned();
    }
    match (value.parse::<SocketAddr>(), value.parse::<IpAddr>()) {
        (Ok(address), _) => privacy.client(address.ip()).unwrap_or_default(),
        (_, Ok(address)) => privacy.client(address).unwrap_or_default(),
        _ => text(privacy, known, value),
    }
}

/// A host with or without a port.
fn target(privacy: &Privacy, value: &str) -> Option<String> {
    if privacy.targets == Targets::Full {
        return Some(value.to_owned());
    }
    if let Ok(address) = value.parse::<SocketAddr>() {
        let shown = privacy.target_address(address.ip())?;
        return Some(match address.is_ipv6() {
            true => format!("[{shown}]:{}", address.port()),
            false => format!("{shown}:{}", address.port()),
        });
    }
    if let Ok(address) = value.parse::<IpAddr>() {
        return privacy.target_address(address);
    }
    match value.rsplit_once(':') {
        Some((name, port)) => Some(format!("{}:{port}", privacy.target_name(name)?)),
        None => privacy.target_name(value),
    }
}

/// Targets of a single label, which only those who know them tell from other words.
#[derive(Default)]
pub(super) struct Known(Vec<String>);

impl Known {
    /// Learns the name of a target.
    pub(super) fn target(mut self, name: &str) -> Self {
        let is_label = |c: char| c.is_alphanumeric() || "-_".contains(c);
        if name.contains(char::is_alphabetic) && name.chars().all(is_label) {
            self.0.push(name.to_owned());
        }
        self
    }

    fn learn(&mut self, key: &str, value: &str) {
        if TARGETS.contains(&key) {
            let (value, _) = value.split_at(end(value));
            let name = value.rsplit_once(':').map_or(value, |(name, _)| name);
            *self = std::mem::take(self).target(name);
        }
    }

    fn learn_value(&mut self, key: &str, value: &Value) {
        match value {
            Value::String(text) => self.learn(key, text),
            Value::Array(values) => values.iter().for_each(|value| self.learn_value(key, value)),
            Value::Object(entries) => entries
                .iter()
                .for_each(|(key, value)| self.learn_value(key, value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn has(&self, word: &str) -> bool {
        self.0.iter().any(|name| name.eq_ignore_ascii_case(word))
    }
}

/// A text of any kind.
pub(super) fn text(privacy: &Privacy, known: &Known, text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut quoted = text.split('"');
    // Every second piece is in quotes.
    while let Some(open) = quoted.next() {
        hosts(privacy, known, open, &mut shown);
        if let Some(inside) = quoted.next() {
            shown.push('"');
            match privacy.users {
                Users::Hashed => shown.push_str(&privacy.user_name(inside)),
                Users::Full => hosts(privacy, known, inside, &mut shown),
            }
            shown.push('"');
        }
    }
    shown
}

/// Appends a text, with hosts as they are told.
fn hosts(privacy: &Privacy, known: &Known, text: &str, shown: &mut String) {
    if privacy.targets == Targets::Full {
        shown.push_str(text);
        return;
    }
    let is_host = |c: char| c.is_alphanumeric() || ".-_:[]%".contains(c);
    let mut rest = text;
    while !rest.is_empty() {
        let begins = rest.find(is_host).unwrap_or(rest.len());
        let (before, behind) = rest.split_at(begins);
        shown.push_str(before);
        let ends = behind.find(|c| !is_host(c)).unwrap_or(behind.len());
        let (word, behind) = behind.split_at(ends);
        // Part of a path, but not of a URL.
        let is_file = before.ends_with('/') && !before.ends_with("//");
        let host = word.trim_end_matches([':', '.', ']', ',']);
        let host = match word.starts_with('[') {
            true => word.trim_end_matches([':', '.', ',']),
            false => host,
        };
        let (host, tail) = word.split_at(host.len());
        match !is_file && (known.has(host) || reads_like_a_host(host)) {
            true => shown.push_str(&target(privacy, host).unwrap_or_else(|| "-".into())),
            false => shown.push_str(host),
        }
        shown.push_str(tail);
        rest = behind;
    }
}

fn reads_like_a_host(word: &str) -> bool {
    if word.parse::<SocketAddr>().is_ok() || word.parse::<IpAddr>().is_ok() {
        return true;
    }
    let (name, port) = match word.rsplit_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (word, None),
    };
    let has_port = port.is_some_and(|port| port.parse::<u16>().is_ok());
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .chars()
                .all(|c| c.is_alphanumeric() || "-_".contains(c))
    };
    if !name.split('.').all(is_label) || (port.is_some() && !has_port) {
        return false;
    }
    match name.rsplit_once('.') {
        Some((_, last)) => {
            last.starts_with("xn--") || (last.len() > 1 && last.chars().all(char::is_alphabetic))
        }
        None => has_port && name.contains(char::is_alphabetic),
    }
}
