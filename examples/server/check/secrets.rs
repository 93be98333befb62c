//! What is not shown of a file.

use toml::{Table, Value};

/// In place of a password.
const HIDDEN: &str = "***";

/// Puts `***` in the place of passwords, and hashes of nothing in the place of hashes: what is shown can be read as a file
/// again.
pub(super) fn hide(file: &mut Table) {
    for (name, value) in file.iter_mut() {
        hide_in(name, value);
    }
}

fn hide_in(name: &str, value: &mut Value) {
    match (name, &mut *value) {
        ("users", Value::Table(users)) if users.values().all(Value::is_str) => {
            for (_, password) in users.iter_mut() {
                *password = HIDDEN.into();
            }
        }
        ("password_hashes", Value::Table(hashes)) => {
            for (_, hash) in hashes.iter_mut() {
                *hash = hash
                    .as_str()
                    .map_or_else(|| HIDDEN.to_owned(), no_hash)
                    .into();
            }
        }
        (_, Value::Table(table)) => hide(table),
        (_, Value::Array(values)) => {
            for value in values {
                hide_in(name, value);
            }
        }
        (name, Value::String(text)) => {
            *text = match name {
                name if name.ends_with("password_hash") => no_hash(text),
                name if is_secret(name) => HIDDEN.to_owned(),
                _ => without_passwords(text),
            }
        }
        _ => {}
    }
}

/// Whether a field of this name is a secret itself: where one is said to be in a file, that is its name.
fn is_secret(name: &str) -> bool {
    let is_elsewhere = name.ends_with("_file") || name.ends_with("_attribute");
    !is_elsewhere
        && ["password", "secret", "token"]
            .iter()
            .any(|it| name.contains(it))
}

/// The same algorithm and costs, and the salt and hash of nobody.
fn no_hash(hash: &str) -> String {
    let hide = |text: &str, with: &str| with.repeat(text.len());
    if let Some((costs, secret)) = hash
        .strip_prefix("$2")
        .and_then(|rest| rest.rsplit_once('$'))
    {
        return format!("$2{costs}${}", hide(secret, "."));
    }
    let parts: Vec<&str> = hash.split('$').collect();
    match parts.as_slice() {
        [costs @ .., salt, hash] if costs.len() > 1 => {
            format!(
                "{}${}${}",
                costs.join("$"),
                hide(salt, "A"),
                hide(hash, "A")
            )
        }
        _ => HIDDEN.to_owned(),
    }
}

/// Of an URL, or of the parameters of a database.
fn without_passwords(text: &str) -> String {
    let mut shown = match text.split_once("://") {
        // As much as can be one: up to the last @.
        Some((scheme, rest)) => match rest.rsplit_once('@') {
            Some((user, host)) => {
                let user = user
                    .split_once(':')
                    .map_or_else(|| user.to_owned(), |(name, _)| format!("{name}:{HIDDEN}"));
                format!("{scheme}://{user}@{host}")
            }
            None => text.to_owned(),
        },
        None => text.to_owned(),
    };
    let mut from = 0;
    while let Some(at) = shown.get(from..).and_then(|rest| rest.find("password")) {
        let name_end = from + at + "password".len();
        let rest = shown.get(name_end..).unwrap_or_default();
        let value = rest.trim_start();
        let Some(value) = value.strip_prefix('=').map(str::trim_start) else {
            from = name_end;
            continue;
        };
        let start = shown.len() - value.len();
        let length = match value.strip_prefix('\'') {
            Some(quoted) => quoted_length(quoted) + 1,
            None => value
                .find(|c: char| c.is_whitespace() || c == '&')
                .unwrap_or(value.len()),
        };
        shown.replace_range(start..start + length, HIDDEN);
        from = start + HIDDEN.len();
    }
    shown
}

/// Up to the quote that ends it, which is in it.
fn quoted_length(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '\'' if !is_escaped => return at + 1,
            _ => is_escaped = c == '\\' && !is_escaped,
        }
    }
    text.len()
}
