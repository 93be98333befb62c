//! `--man program`: the manual page of the program, for man(1).

use std::fmt::{self, Write};

use super::{CLIENTS, COMMANDS, FLAGS, Flag, SUBJECTS, SUMMARY};
use crate::about::NAME;

/// When the texts were last looked through: man(7) asks for a date, and the same version prints the same page.
const DATE: &str = "2026-11-27";

/// Octets of a line, where none of them has to be escaped.
const WIDTH: usize = 70;

/// Returns the page, in the macros of man(7). It is of the program as it is installed, whatever this one is called.
pub(crate) fn manual() -> String {
    let mut page = head(1, "User Commands", &format!("{NAME} \\- {SUMMARY}"));
    _ = write(&mut page);
    page
}

/// The lines that each page begins with. What the page is about is in roff already.
pub(super) fn head(section: u8, volume: &str, what: &str) -> String {
    let (title, suffix) = match section {
        1 => (NAME.to_uppercase(), ""),
        _ => (format!("{}.TOML", NAME.to_uppercase()), ".toml"),
    };
    format!(
        ".\\\" {NAME} --man {}\n.TH {} {section} {DATE} \"{NAME} {}\" \"{volume}\"\n.SH NAME\n{}\n",
        if suffix.is_empty() { "program" } else { "file" },
        title.replace('-', "\\-"),
        env!("CARGO_PKG_VERSION"),
        what.replacen(NAME, &format!("{}{suffix}", escaped(NAME)), 1),
    )
}

const DESCRIPTION: &str = "\
    Clients reach other hosts through it, by SOCKS5, SOCKS4 or as an HTTP proxy, all on the same port. Without flags it \
    serves on 127.0.0.1:1080, for everybody on this machine, and lets them reach public addresses alone. Users, rules, \
    limits and everything else are in a file, which";

fn write(page: &mut String) -> fmt::Result {
    let name = escaped(NAME);
    writeln!(page, ".SH SYNOPSIS\n.B {name}\n.RI [ flags ]")?;
    for (command, _) in COMMANDS {
        writeln!(page, ".br\n.B {name} {}", escaped(command))?;
    }
    writeln!(
        page,
        ".SH DESCRIPTION\n\
         {}\n\
         .BR {name}.toml (5)\n\
         explains.\n\
         .SH OPTIONS",
        prose(DESCRIPTION)
    )?;
    for flag in FLAGS {
        writeln!(page, ".TP\n{}\n{}.", names(flag), prose(flag.what))?;
    }
    page.push_str(".SH COMMANDS\n");
    for (command, what) in COMMANDS {
        writeln!(page, ".TP\n.B {}\n{}.", escaped(command), prose(what))?;
    }
    for subject in SUBJECTS {
        writeln!(page, ".SH {}", subject.title.to_uppercase())?;
        for (term, what) in subject.terms {
            writeln!(page, ".TP\n.B {}\n{}.", escaped(term), prose(what))?;
        }
    }
    writeln!(
        page,
        ".SH FILES\n.TP\n.I /etc/{NAME}/config.toml\n\
         What the service of the package is started with."
    )?;
    page.push_str(".SH EXAMPLES\n");
    let clients = CLIENTS.iter().map(|client| escaped(client));
    let clients: Vec<_> = clients.collect();
    writeln!(page, ".EX\n{}\n.EE", clients.join("\n"))?;
    writeln!(
        page,
        ".SH SEE ALSO\n.BR {name}.toml (5),\n.BR curl (1),\n.BR htpasswd (1),\n.BR systemd.socket (5)"
    )
}

/// The names of a flag in bold, and what follows them in italics.
fn names(flag: &Flag) -> String {
    let short = flag.short.map(|short| format!("\\fB\\-{short}\\fR"));
    let names = flag.names.iter().map(|(name, value)| {
        let name = escaped(&format!("--{name}"));
        match value.name() {
            Some(value) => format!("\\fB{name}\\fR \\fI{}\\fR", escaped(value)),
            None => format!("\\fB{name}\\fR"),
        }
    });
    let names: Vec<_> = short.into_iter().chain(names).collect();
    names.join(", ")
}

/// A paragraph as roff takes it, in lines of a terminal's width.
pub(super) fn prose(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.len() + 1 + word.len() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    let lines: Vec<_> = lines.iter().map(|line| escaped(line)).collect();
    lines.join("\n")
}

/// Text as roff takes it: nothing in it is a request, and a dash is one that can be copied.
pub(super) fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    match text.chars().next() {
        Some('.' | '\'') => format!("\\&{text}"),
        _ => text,
    }
}
