//! The table of lines and results: printed, and in `README.md`.

use std::{collections::BTreeMap, env, fmt::Write as _, fs, path::Path};

use serde::Deserialize;

use crate::{
    case::{Case, Miss, Outcome},
    server::foreign,
};

/// What the README has behind this is written here.
const MARK: &str = "<!-- From here on written by `UPDATE=1 cargo test --test conformance`. -->\n";

/// What the letters stand for.
const KINDS: &[(char, &str)] = &[
    ('S', "Method selection"),
    ('U', "Names and passwords"),
    ('R', "Requests and replies"),
    ('N', "CONNECT"),
    ('B', "BIND"),
    ('A', "UDP ASSOCIATE"),
    ('O', "UDP over TCP"),
    ('X', "Tor's lookups"),
    ('C', "Our client"),
    ('G', "GSS-API"),
    ('M', "SOCKS4, and several protocols on one port"),
    ('H', "HTTP"),
    ('T', "TLS"),
    ('P', "PROXY protocol"),
    ('K', "A fleet"),
];

/// Other servers, as `compare` has found them.
#[derive(Debug, Deserialize)]
struct Others {
    date: String,
    server: Vec<Other>,
}

#[derive(Debug, Deserialize)]
struct Other {
    name: String,
    version: String,
    lines: BTreeMap<String, String>,
}

impl Other {
    /// Why it does not meet a line.
    fn fails(&self, id: &str) -> Option<&str> {
        self.lines.get(id)?.strip_prefix("fail ")
    }

    fn cell(&self, id: &str) -> &str {
        match self.lines.get(id).map(String::as_str) {
            Some("pass") => "pass",
            Some(line) if line.starts_with("fail ") => "**fail**",
            _ => "–",
        }
    }
}

/// Runs everything, prints the result of each line, and answers how many fail. The lines can be
/// fewer: those that begin with `SOCKS_UNDER_TEST_LINES`.
pub fn report(cases: impl Iterator<Item = &'static Case>) -> usize {
    let whom = foreign().map_or("ours".to_owned(), |server| server.address.to_string());
    let start = env::var("SOCKS_UNDER_TEST_LINES").unwrap_or_default();
    println!("conformance of {whom}");
    let mut failed = 0;
    for case in cases.filter(|case| case.id.starts_with(&start)) {
        let (result, why) = match case.outcome() {
            Ok(()) => ("pass", String::new()),
            Err(Miss::Skipped(why)) => ("skip", why),
            Err(Miss::Fails(why)) => ("fail", why),
        };
        failed += usize::from(result == "fail");
        println!("{}", format!("{:<4} {result} {why}", case.id).trim_end());
    }
    failed
}

/// Compares the README with what it should be, or writes it.
pub fn check(cases: &[&Case]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let others = fs::read_to_string(folder.join("others.toml")).unwrap();
    let others: Others = toml::from_str(&others).unwrap();
    let readme = fs::read_to_string(folder.join("README.md")).unwrap();
    let (head, _) = readme.split_once(MARK).unwrap();
    let current = format!("{head}{MARK}{}", generated(cases, &others));
    if env::var_os("UPDATE").is_some() {
        fs::write(folder.join("README.md"), current).unwrap();
        return;
    }
    // What this build or this machine cannot try is left as it stands there.
    let untried = cases
        .iter()
        .filter(|case| case.id.starts_with('K') && matches!(case.outcome(), Err(Miss::Skipped(_))));
    let untried: Vec<_> = untried.map(|case| format!("| {} |", case.id)).collect();
    let tried = |text: &str| {
        let lines = text.lines();
        let lines = lines.filter(|line| !untried.iter().any(|start| line.starts_with(start)));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let same = tried(&readme) == tried(&current);
    assert!(
        same,
        "the README is out of date: UPDATE=1 cargo test --test conformance"
    );
}

fn generated(cases: &[&Case], others: &Others) -> String {
    let mut text = String::new();
    for case in cases {
        let is_listed = KINDS.iter().any(|(kind, _)| case.id.starts_with(*kind));
        assert!(is_listed, "{} is in no section of the README", case.id);
    }
    for (kind, title) in KINDS {
        let lines: Vec<_> = cases
            .iter()
            .filter(|case| case.id.starts_with(*kind))
            .collect();
        let mut head = vec![
            "line",
            "what",
            "RFC, section",
            "how it is checked",
            "test",
            "ours",
        ];
        // Our client has nothing to do with other servers; those are not behind a balancer here, and speak SOCKS5 alone.
        let columns: &[Other] = if ['C', 'P', 'O', 'M', 'H', 'T', 'K'].contains(kind) {
            &[]
        } else {
            &others.server
        };
        head.extend(columns.iter().map(|other| &*other.name));
        writeln!(text, "\n## {title}\n").unwrap();
        row(&mut text, &head);
        row(&mut text, &vec!["---"; head.len()]);
        for case in lines {
            let ours = ours(case.outcome());
            let test = format!("`{}`", case.test);
            let mut cells = vec![case.id, case.what, case.section, case.how, &test, ours];
            cells.extend(columns.iter().map(|other| other.cell(case.id)));
            row(&mut text, &cells);
        }
    }
    writeln!(text, "\n## What others do instead\n").unwrap();
    writeln!(
        text,
        "As found on {}, with ours beside it passing.",
        others.date
    )
    .unwrap();
    for other in &others.server {
        writeln!(text, "\n{} {}:\n", other.name, other.version).unwrap();
        for case in cases {
            if let (Some(why), Ok(())) = (other.fails(case.id), case.outcome()) {
                writeln!(text, "- {}: `{why}`", case.id).unwrap();
            }
        }
    }
    text
}

fn ours(outcome: Outcome) -> &'static str {
    match outcome {
        Ok(()) => "pass",
        Err(Miss::Fails(_)) => "**fail**",
        Err(Miss::Skipped(_)) => "–",
    }
}

fn row(text: &mut String, cells: &[&str]) {
    writeln!(text, "| {} |", cells.join(" | ")).unwrap();
}
