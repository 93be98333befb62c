//! `--help`.

use std::fmt::{self, Write};

use super::{CLIENTS, COMMANDS, FLAGS, Flag, SUBJECTS, SUMMARY};

/// Columns of a terminal.
const WIDTH: usize = 88;
/// Where the explanation of a flag begins.
const MARGIN: usize = 25;

/// Returns what `--help` prints for a program that is called so.
pub(crate) fn text(program: &str) -> String {
    let mut text = String::new();
    _ = write(&mut text, program);
    text
}

fn write(text: &mut String, program: &str) -> fmt::Result {
    let first = SUMMARY.replacen("a proxy", "A proxy", 1);
    writeln!(text, "{first}.\n\nUsage: {program} [FLAGS]")?;
    for (command, what) in COMMANDS {
        entry(text, &format!("       {program} {command}"), what, 7)?;
    }
    text.push('\n');
    for flag in FLAGS {
        entry(text, &format!("  {}", names(flag)), flag.what, MARGIN)?;
    }
    for subject in SUBJECTS {
        writeln!(text, "\n{}:", subject.title)?;
        for (term, what) in subject.terms {
            entry(text, &format!("  {term}"), what, MARGIN)?;
        }
    }
    text.push_str("\nClients:\n");
    CLIENTS
        .iter()
        .try_for_each(|client| writeln!(text, "  {client}"))
}

fn names(flag: &Flag) -> String {
    let mut names: Vec<_> = flag
        .short
        .map(|short| format!("-{short}"))
        .into_iter()
        .collect();
    names.extend(flag.names.iter().map(|(name, value)| match value.name() {
        Some(value) => format!("--{name} {value}"),
        None => format!("--{name}"),
    }));
    names.join(", ")
}

/// A term, and what it means: beside it where there is room, otherwise below it.
fn entry(text: &mut String, term: &str, what: &str, margin: usize) -> fmt::Result {
    let mut column = term.chars().count();
    text.push_str(term);
    // Two blanks are in between at least.
    if margin > 7 && column + 2 > margin || margin == 7 {
        text.push('\n');
        column = 0;
    }
    let margin = margin.max(11);
    write!(text, "{:1$}", "", margin.saturating_sub(column))?;
    column = margin;
    for (index, word) in what.split_whitespace().enumerate() {
        let length = word.chars().count();
        if index > 0 && column + 1 + length > WIDTH {
            write!(text, "\n{:margin$}", "")?;
            column = margin;
        } else if index > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += length;
    }
    text.push('\n');
    Ok(())
}
