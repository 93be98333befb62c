//! The command line.

use std::path::PathBuf;

use anyhow::{Context as _, bail};

/// How long and how much, and what of it.
#[derive(Debug)]
pub(crate) struct Options {
    /// For the report: what was typed.
    pub(crate) command: String,
    /// Servers by name; all where there are none.
    only: Vec<String>,
    /// Rows by the beginning of their names; all where there are none.
    rows: Vec<String>,
    pub(crate) rounds: usize,
    /// Of each measurement.
    pub(crate) seconds: f64,
    /// Idle tunnels for the memory of one.
    pub(crate) idle: usize,
    /// Connections held open while new ones come, at most.
    pub(crate) held: usize,
    pub(crate) out: PathBuf,
    /// Where the servers run.
    pub(crate) core: usize,
    /// Who the servers are; root where nothing is said.
    pub(crate) user: Option<u32>,
    /// The program that is built apart.
    pub(crate) rama: PathBuf,
    /// The example server, built.
    pub(crate) example: PathBuf,
    /// The same, which can ask name servers itself.
    pub(crate) hickory: PathBuf,
}

impl Options {
    pub(crate) fn read() -> anyhow::Result<Self> {
        use lexopt::prelude::*;

        let mut options = Self {
            command: String::new(),
            only: Vec::new(),
            rows: Vec::new(),
            rounds: 5,
            seconds: 3.0,
            idle: 5_000,
            held: 10_000,
            out: PathBuf::from("results"),
            core: 0,
            user: None,
            rama: PathBuf::new(),
            example: PathBuf::new(),
            hickory: PathBuf::new(),
        };
        let mut parser = lexopt::Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                Long("quick") => {
                    options.rounds = 1;
                    options.seconds = 1.0;
                    options.idle = 500;
                    options.held = 2_000;
                }
                Long("only") => options.only = list(&parser.value()?.string()?),
                Long("rows") => options.rows = list(&parser.value()?.string()?),
                Long("rounds") => options.rounds = parser.value()?.parse()?,
                Long("seconds") => options.seconds = parser.value()?.parse()?,
                Long("out") => options.out = parser.value()?.into(),
                Long("core") => options.core = parser.value()?.parse()?,
                Long("user") => options.user = Some(parser.value()?.parse()?),
                Long("rama") => options.rama = parser.value()?.into(),
                Long("example") => options.example = parser.value()?.into(),
                Long("hickory") => options.hickory = parser.value()?.into(),
                Long("command") => options.command = parser.value()?.string()?,
                _ => return Err(argument.unexpected()).context("see benches/compare/run --help"),
            }
        }
        if options.rounds == 0 || !(0.1..=600.0).contains(&options.seconds) {
            bail!("at least one round, and 0.1 to 600 seconds");
        }
        Ok(options)
    }

    pub(crate) fn wants_server(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|wanted| wanted == name)
    }

    pub(crate) fn wants_row(&self, name: &str) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|wanted| name.starts_with(wanted))
    }

    /// Names that nothing goes by are mistakes.
    pub(crate) fn check(&self, servers: &[&str], rows: &[&str]) -> anyhow::Result<()> {
        for wanted in &self.only {
            if !servers.contains(&wanted.as_str()) {
                bail!(
                    "no server is named {wanted}; there are {}",
                    servers.join(", ")
                );
            }
        }
        for wanted in &self.rows {
            if !rows.iter().any(|row| row.starts_with(wanted)) {
                bail!("no row is named {wanted}; there are {}", rows.join(", "));
            }
        }
        Ok(())
    }
}

fn list(names: &str) -> Vec<String> {
    names
        .split(',')
        .map(|name| name.trim().to_owned())
        .collect()
}
