//! `--check`: what would be in force.

use std::process::ExitCode;

use crate::settings::{Fixed, Settings};

/// Prints what would be in force, without serving.
pub(crate) fn check(settings: &Settings) -> ExitCode {
    let Fixed {
        limits,
        logins,
        timeouts,
        replies,
        network,
        outgoing_rules,
        resolver,
        relay,
        resolve,
        upgrade_socket,
        upstream,
        search_domain,
        doors,
        metrics,
        admin,
        pac: _,
        script,
        log,
        access_log,
    } = &settings.fixed;
    // Another machine may be the one that it is for.
    if let Err(problem) = &settings.leaves {
        eprintln!("not on this machine: {problem}");
    }
    let places: Vec<_> = doors.iter().map(ToString::to_string).collect();
    println!("listen    {}", places.join(", "));
    for door in doors {
        println!("          {}", door.describe());
        println!("          {}", door.network);
    }
    println!("users     {}", settings.accounts.len());
    for directory in settings.accounts.directories().names() {
        println!("          and those of {directory}");
    }
    println!("rules     {}", settings.rules.len());
    println!("{upstream}");
    if let Some(domain) = search_domain {
        println!("search    {domain}");
    }
    println!("limits    {limits:?}");
    println!("logins    {logins:?}");
    println!("timeouts  {timeouts:?}");
    println!("replies   {replies:?}");
    println!("outgoing  {}, and {outgoing_rules} rules", network.outgoing);
    println!("resolver  {resolver}");
    println!("splice    {}", relay.splice);
    println!("resolve   {resolve}");
    match metrics {
        Some(metrics) if metrics.has_dashboard() => {
            println!("metrics   {} with the page", metrics.listen);
        }
        Some(metrics) => println!("metrics   {}", metrics.listen),
        None => println!("metrics   none"),
    }
    match admin {
        Some(admin) => println!("admin     {admin}"),
        None => println!("admin     none"),
    }
    match script {
        Some(script) => println!("pac       {} octets", script.len()),
        None => println!("pac       none"),
    }
    println!("log       {log}");
    match access_log {
        Some(access_log) => println!("access    {access_log}"),
        None => println!("access    none"),
    }
    if let Some(path) = upgrade_socket {
        println!("upgrade   {}", path.display());
    }
    ExitCode::SUCCESS
}
