//! `--man file`: the manual page of the file for `--config`, made of the reference.

use std::{
    fmt::{self, Write},
    mem::discriminant,
};

use super::manual::{escaped, head, prose};
use crate::about::{NAME, reference};

/// Returns the page, in the macros of man(7): the comments of the reference are its text, and the settings its examples.
pub(crate) fn file_manual() -> String {
    let what = format!("{NAME} \\- users, rules, limits and everything else of {NAME}(1)");
    let mut page = head(5, "File Formats", &what);
    page.push_str(".SH DESCRIPTION\n");
    _ = write(&mut page);
    page
}

fn write(page: &mut String) -> fmt::Result {
    let reference = reference(NAME);
    let lines: Vec<_> = reference.lines().map(Line::of).collect();
    let blocks = lines.chunk_by(|one, next| discriminant(one) == discriminant(next));
    let mut blocks = blocks
        .filter(|block| !matches!(block, [Line::Empty, ..]))
        .peekable();
    let mut between = "";
    while let Some(block) = blocks.next() {
        // A table has a heading, in front of what is said of it.
        if let ([Line::Prose(_), ..], Some(table)) =
            (block, blocks.peek().and_then(|next| table(next)))
        {
            writeln!(page, ".SS {}", escaped(table))?;
            between = "";
        }
        page.push_str(between);
        between = ".PP\n";
        let text: Vec<_> = block.iter().map(Line::text).collect();
        if let [Line::Prose(_), ..] = block {
            writeln!(page, "{}", prose(&text.join(" ")))?;
        } else {
            let text: Vec<_> = text.into_iter().map(escaped).collect();
            writeln!(page, ".EX\n{}\n.EE", text.join("\n"))?;
        }
    }
    writeln!(page, ".SH SEE ALSO\n.BR {} (1)", escaped(NAME))
}

/// The table that these settings begin with. Those of a list have none of their own.
fn table<'a>(block: &[Line<'a>]) -> Option<&'a str> {
    let first = block.first()?.text().trim_start_matches(['#', ' ']);
    let is_table = first.starts_with('[') && !first.starts_with("[[");
    is_table
        .then(|| first.split_inclusive(']').next())
        .flatten()
}

/// A line of the reference, as the page shows it.
enum Line<'a> {
    Empty,
    Prose(&'a str),
    /// Settings and tables of terms.
    Literal(&'a str),
}

impl<'a> Line<'a> {
    fn of(line: &'a str) -> Self {
        match line
            .strip_prefix('#')
            .map(|comment| comment.strip_prefix(' ').unwrap_or(comment))
        {
            _ if matches!(line, "" | "#") => Self::Empty,
            Some(comment) if is_prose(comment) => Self::Prose(comment),
            // A term of a table loses its comment sign, a setting keeps it.
            Some(term) if term.starts_with("  ") && !term.trim_start().starts_with('#') => {
                Self::Literal(term)
            }
            _ => Self::Literal(line),
        }
    }

    fn text(&self) -> &'a str {
        match self {
            Self::Empty => "",
            Self::Prose(text) | Self::Literal(text) => text,
        }
    }
}

/// Whether a comment is a sentence. Tables of terms are indented further, and settings look like settings.
fn is_prose(comment: &str) -> bool {
    let is_setting = comment.split_once(" = ").is_some_and(|(name, _)| {
        name.bytes()
            .all(|octet| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'_')
    });
    !comment.starts_with([' ', '[', '{', '"', '}', ']']) && !is_setting
}
