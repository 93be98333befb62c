//! A file with all that is in force.

use std::{cmp::Reverse, fmt::Write};

use toml::{Table, Value};

use super::{defaults::RENAMED, fields::fields};
use crate::about;

/// Writes it, with the tables in the order of the reference. What has no value is named.
pub(super) fn write(file: &Table) -> String {
    let mut text = String::new();
    write_table(&mut text, &mut Vec::new(), file);
    text
}

fn write_table<'a>(text: &mut String, path: &mut Vec<&'a str>, table: &'a Table) {
    if !path.is_empty() {
        _ = write!(text, "\n[{}]\n", header(path));
    }
    let known = fields(path);
    let reference = path.is_empty().then(|| about::reference(&about::program()));
    let mut entries: Vec<(&'a str, &'a Value)> = table
        .iter()
        .map(|(key, value)| (key.as_str(), value))
        .collect();
    entries.sort_by_key(|(key, _)| match &reference {
        Some(reference) => place(reference, key),
        None => known
            .iter()
            .position(|field| field == key)
            .unwrap_or(usize::MAX),
    });
    for (name, value) in entries.iter().filter(|(_, value)| !is_table(value)) {
        _ = writeln!(text, "{} = {value}", key(name));
    }
    let is_renamed = |field: &str| {
        let mut renamed = RENAMED.iter();
        renamed.any(|(table, before, _)| path.first() == Some(table) && *before == field)
    };
    let unset = known.iter().filter(|field| !table.contains_key(**field));
    let unset: Vec<&str> = unset.copied().filter(|field| !is_renamed(field)).collect();
    if !unset.is_empty() {
        _ = writeln!(text, "# Not set: {}.", unset.join(", "));
    }
    // What is a list of tables ends the table that it is in.
    entries.sort_by_key(|(_, value)| Reverse(value.is_table() && !path.is_empty()));
    for (name, value) in entries {
        match value {
            Value::Table(inner) => {
                path.push(name);
                write_table(text, path, inner);
                path.pop();
            }
            Value::Array(tables) if is_table(value) => {
                path.push(name);
                for table in tables.iter().filter_map(Value::as_table) {
                    _ = write!(text, "\n[[{}]]\n", header(path));
                    for (name, value) in table {
                        _ = writeln!(text, "{} = {value}", key(name));
                    }
                }
                path.pop();
            }
            _ => {}
        }
    }
}

/// Whether it has a header.
fn is_table(value: &Value) -> bool {
    match value {
        Value::Table(_) => true,
        Value::Array(values) => !values.is_empty() && values.iter().all(Value::is_table),
        _ => false,
    }
}

fn header(path: &[&str]) -> String {
    let keys: Vec<_> = path.iter().map(|name| key(name)).collect();
    keys.join(".")
}

/// With quotes, where it takes them.
pub(crate) fn key(name: &str) -> String {
    let is_bare = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
    if !name.is_empty() && name.bytes().all(is_bare) {
        return name.to_owned();
    }
    let mut quoted = String::from('"');
    for c in name.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => _ = write!(quoted, "\\u{:04x}", u32::from(c)),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Where the reference explains it first, be it as a comment.
fn place(reference: &str, key: &str) -> usize {
    let starts = |line: &str| {
        let line = line.trim_start_matches(['#', ' ']);
        let rest = line.trim_start_matches('[').strip_prefix(key)?;
        let is_table = line.starts_with('[') && rest.starts_with([']', '.']);
        (is_table || rest.starts_with(" = ")).then_some(())
    };
    let place = reference.lines().position(|line| starts(line).is_some());
    place.unwrap_or(usize::MAX)
}
