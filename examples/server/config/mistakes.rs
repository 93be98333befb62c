//! Mistakes in a file, and where they are.

use std::{fmt, ops::Range, path::Path};

/// A mistake, where it can be said at the octets of the text.
pub(super) type Mistake = (Option<Range<usize>>, String);

/// All that were found, a line each.
#[derive(Debug)]
pub(crate) struct Mistakes(Vec<String>);

impl Mistakes {
    pub(super) fn of_file(path: &Path, problem: &str) -> Self {
        Self(vec![format!("{}: {problem}", path.display())])
    }

    /// In the order of the file.
    pub(super) fn new(path: &Path, text: &str, mut found: Vec<Mistake>) -> Self {
        found.sort_by_key(|(span, _)| span.as_ref().map_or(usize::MAX, |span| span.start));
        let file = path.display();
        let lines = found.into_iter().map(|(span, problem)| match span {
            Some(span) => format!("{file}:{}: {problem}", position(text, span)),
            None => format!("{file}: {problem}"),
        });
        Self(lines.collect())
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for Mistakes {}

/// `LINE:COLUMN`, both from 1.
fn position(text: &str, span: Range<usize>) -> String {
    let before = text.get(..span.start).unwrap_or(text);
    let line = 1 + before.matches('\n').count();
    let column = 1 + before.chars().rev().take_while(|c| *c != '\n').count();
    format!("{line}:{column}")
}

/// Where a value of `[acl]` stands.
pub(super) fn find(text: &str, location: &[String]) -> Option<Range<usize>> {
    let root = toml::de::DeTable::parse(text).ok()?;
    let mut value = root.get_ref().get("acl")?;
    for step in location {
        value = match value.get_ref() {
            toml::de::DeValue::Table(table) => table.get(step.as_str())?,
            toml::de::DeValue::Array(values) => values.get(step.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    Some(value.span())
}
