//! Reads the text of a file: all mistakes of single fields, not only the first.

use std::{fmt, ops::Range};

use serde_path_to_error::{Path, Segment};
use toml::de::{DeTable, DeValue};

use super::{Config, mistakes::Mistake, suggestion::suggestion};

/// Mistakes that are told at once.
const MOST: usize = 20;

/// Reads it. Where a field is wrong, the rest is read without it: the rest, and all mistakes.
pub(super) fn read(text: &str) -> (Option<Config>, Vec<Mistake>) {
    // `Display` of these errors shows the line, which may hold a password: the message alone does not.
    let root = match toml::Deserializer::parse(text) {
        Ok(root) => root,
        Err(error) => return (None, vec![not_toml(text, &error)]),
    };
    let mut mistakes = Vec::new();
    let mut error = match serde_path_to_error::deserialize(root) {
        Ok(config) => return (Some(config), mistakes),
        Err(error) => error,
    };
    let Ok(mut root) = DeTable::parse(text) else {
        return (None, mistakes);
    };
    let mut shortened: Vec<String> = Vec::new();
    loop {
        let path = error.path().to_string();
        // What is said of a table from which something was taken away may be about that.
        let is_consequence = shortened.contains(&path);
        let message = suggestion(error.inner().message());
        let hint = name_hint(error.path());
        if !is_consequence {
            mistakes.push((
                error.inner().span(),
                format!("{}{message}{hint}", Place(error.path())),
            ));
        }
        if let Some(table) = table_of(&path) {
            shortened.push(table.to_owned());
        }
        if mistakes.len() >= MOST || !remove(root.get_mut(), error.path()) {
            return (None, mistakes);
        }
        let rest = toml::Deserializer::from(root.clone());
        error = match serde_path_to_error::deserialize::<_, Config>(rest) {
            Ok(rest) => return (Some(rest), mistakes),
            Err(error) => error,
        };
    }
}

/// The table that a field is in, or that has the list of an entry.
fn table_of(path: &str) -> Option<&str> {
    let field = path.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '[' | ']'));
    field.rsplit_once('.').map(|(table, _)| table)
}

/// Takes the field away, or the list of an entry that is wrong as a whole: entries are counted.
fn remove(root: &mut DeTable<'_>, path: &Path) -> bool {
    let mut segments: Vec<&Segment> = path.iter().collect();
    while !matches!(segments.last(), None | Some(Segment::Map { .. })) {
        segments.pop();
    }
    let Some(Segment::Map { key: last }) = segments.pop() else {
        return false;
    };
    let mut table = root;
    let mut segments = segments.into_iter().peekable();
    while let Some(Segment::Map { key }) = segments.next() {
        let Some(mut value) = table.get_mut(key.as_str()).map(|value| value.get_mut()) else {
            return false;
        };
        while let Some(Segment::Seq { index }) = segments.peek() {
            let DeValue::Array(values) = value else {
                return false;
            };
            let Some(inner) = values.get_mut(*index) else {
                return false;
            };
            value = inner.get_mut();
            segments.next();
        }
        let DeValue::Table(inner) = value else {
            return false;
        };
        table = inner;
    }
    table.remove(last.as_str()).is_some()
}

/// What is to be done about a name with a dot in a table of names: TOML takes it for a table in the table.
fn name_hint(path: &Path) -> String {
    let keys: Vec<_> = path.iter().collect();
    match keys.as_slice() {
        [Segment::Map { key: table }, Segment::Map { key: name }, ..]
            if ["users", "password_hashes"].contains(&table.as_str()) =>
        {
            format!(": a name with a dot is in quotes, as in \"{name}.smith\" = ..")
        }
        _ => String::new(),
    }
}

/// What the text is not, in the words of a file.
fn not_toml(text: &str, error: &toml::de::Error) -> Mistake {
    let span = error.span();
    let hint = span
        .as_ref()
        .and_then(|span| hint(text, span, error.message()));
    let message = match hint {
        Some(hint) => format!("{}: {hint}", error.message()),
        None => error.message().to_owned(),
    };
    (span, message)
}

fn hint(text: &str, span: &Range<usize>, message: &str) -> Option<String> {
    let start = text.get(..span.start)?.rfind('\n').map_or(0, |at| at + 1);
    let line = text.get(start..)?.lines().next()?.trim();
    if message.contains("duplicate key") {
        return Some(if line.starts_with('[') {
            let name = line.trim_matches(['[', ']']);
            format!(
                "[{name}] is there already: a table has one place in a file, where all of its fields stand"
            )
        } else {
            "it is there already, in the same table".to_owned()
        });
    }
    // What is behind the = may be a password.
    let name = line.split('=').next()?.trim();
    let is_bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_odd = !name.is_empty()
        && !name.starts_with(['[', '"', '\'', '#'])
        && line.contains('=')
        && !name.chars().all(is_bare);
    is_odd.then(|| {
        let name = name.escape_debug();
        format!("a name with other characters than letters, digits, - and _ is in quotes: \"{name}\" = ..")
    })
}

/// `acl, rule 2, to: `, with rules counted as the log counts them.
struct Place<'a>(&'a Path);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let segments: Vec<&Segment> = self.0.iter().collect();
        let texts = segments
            .iter()
            .enumerate()
            .filter_map(|(at, segment)| match segment {
                // A rule says all, and so does a listener: the list is left out.
                Segment::Map { key } if one_of(key).is_some() && at + 1 < segments.len() => None,
                Segment::Map { key } => Some(key.clone()),
                Segment::Seq { index } => {
                    let list = match segments.get(at.wrapping_sub(1)) {
                        Some(Segment::Map { key }) => one_of(key),
                        _ => None,
                    };
                    Some(format!("{} {}", list.unwrap_or("value"), index + 1))
                }
                Segment::Enum { .. } | Segment::Unknown => None,
            });
        let texts: Vec<String> = texts.collect();
        if texts.is_empty() {
            return Ok(());
        }
        write!(f, "{}: ", texts.join(", "))
    }
}

/// What an entry of a list is called.
fn one_of(list: &str) -> Option<&'static str> {
    match list {
        "rules" => Some("rule"),
        "listen" => Some("listener"),
        "routes" => Some("route"),
        _ => None,
    }
}
