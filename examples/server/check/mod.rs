//! `--check`: what would be in force, as a file that says all of it.

mod defaults;
mod fields;
mod file;
mod places;
mod secrets;

use std::{fmt::Write, fs, process::ExitCode};

use toml::Table;
use tower_socks::BoxError;

use crate::{
    about,
    cli::Flags,
    settings::{Fixed, Settings},
    warnings::warn_if_exposed,
};

/// Prints what would be in force, without serving.
pub(crate) fn check(flags: &Flags, settings: &Settings) -> Result<ExitCode, BoxError> {
    // Another machine may be the one that it is for.
    if let Err(problem) = &settings.leaves {
        eprintln!("not on this machine: {problem}");
    }
    for problem in places::problems(settings) {
        eprintln!("not on this machine: {problem}");
    }
    warn_if_exposed(flags, settings);
    let mut file: Table = match &flags.config {
        Some(path) => fs::read_to_string(path)?.parse()?,
        None => Table::new(),
    };
    flags.put_into(&mut file);
    defaults::fill(&mut file, settings);
    secrets::hide(&mut file);
    let mut text = String::from(
        "# What would be in force. Ports that are in use are found at the start.\n#\n",
    );
    for line in summary(settings)?.lines() {
        _ = writeln!(text, "# {line}");
    }
    text.push('\n');
    text.push_str(&file::write(&file));
    Ok(about::print(&text))
}

/// What follows from all of it together.
fn summary(settings: &Settings) -> Result<String, std::fmt::Error> {
    let Fixed {
        network,
        outgoing_rules,
        resolver,
        relay,
        upstream,
        doors,
        metrics,
        admin,
        script,
        log,
        access_log,
        accounting,
        fleet,
        ..
    } = &settings.fixed;
    let mut text = String::new();
    let out = &mut text;
    let places: Vec<_> = doors.iter().map(ToString::to_string).collect();
    writeln!(out, "listen    {}", places.join(", "))?;
    for door in doors {
        writeln!(out, "          {}", door.describe())?;
        writeln!(out, "          {}", door.network)?;
    }
    writeln!(out, "users     {}", settings.accounts.len())?;
    for directory in settings.accounts.directories().names() {
        writeln!(out, "          and those of {directory}")?;
    }
    if let Some(tickets) = settings.accounts.tickets() {
        writeln!(out, "          and those with a ticket for {tickets}")?;
    }
    if settings.accounts.is_empty() {
        writeln!(out, "          nobody is asked for a password")?;
    }
    writeln!(out, "rules     {}", settings.rules.len())?;
    writeln!(out, "{upstream}")?;
    writeln!(
        out,
        "outgoing  {}, and {outgoing_rules} rules",
        network.outgoing
    )?;
    writeln!(out, "resolver  {resolver}")?;
    writeln!(out, "splice    {}", relay.splice)?;
    match metrics {
        Some(metrics) if metrics.has_dashboard() => {
            writeln!(out, "metrics   {} with the page", metrics.listen)?;
        }
        Some(metrics) => writeln!(out, "metrics   {}", metrics.listen)?,
        None => writeln!(out, "metrics   none")?,
    }
    match admin {
        Some(admin) => writeln!(out, "admin     {admin}")?,
        None => writeln!(out, "admin     none")?,
    }
    match script {
        Some(script) => writeln!(out, "pac       {} octets", script.len())?,
        None => writeln!(out, "pac       none")?,
    }
    writeln!(out, "log       {log}")?;
    if let Some(accounting) = accounting {
        writeln!(out, "accounts  {accounting}")?;
    }
    if let Some(fleet) = fleet {
        writeln!(out, "fleet     {fleet}")?;
    }
    match access_log {
        Some(access_log) => writeln!(out, "access    {access_log}"),
        None => writeln!(out, "access    none"),
    }?;
    Ok(text)
}
