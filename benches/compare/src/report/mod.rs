//! What came out, as a table and as charts.

mod chart;
mod goals;
mod growing;
mod lines;
mod results;
mod table;

use std::{fmt::Write as _, fs};

pub(crate) use self::results::Results;
use crate::{machine, options::Options, servers::Server};

/// Writes `results.md`, a chart for each row, and those of what grows.
pub(crate) fn write(options: &Options, results: &Results, rounds: usize) -> anyhow::Result<()> {
    let mut report = text(options, results, rounds);
    report.push_str("\n## Charts\n");
    for row in results.rows() {
        let name = format!("{}.svg", row.name());
        let title = row.title(options);
        fs::write(options.out.join(&name), chart::draw(results, row, &title))?;
        let _ = write!(report, "\n![{title}]({name})\n");
    }
    let growing = growing::charts(results, options);
    for (name, chart) in &growing {
        fs::write(options.out.join(name), chart.draw())?;
    }
    report.push_str(&growing::section(&growing));
    fs::write(options.out.join("results.md"), report)?;
    Ok(())
}

/// The report without charts.
pub(crate) fn text(options: &Options, results: &Results, rounds: usize) -> String {
    let mut out = String::from("# SOCKS servers side by side\n\n");
    for line in machine::describe() {
        let _ = writeln!(out, "- {line}");
    }
    let _ = writeln!(
        out,
        "- Command: `benches/compare/run{}{}`",
        if options.command.is_empty() { "" } else { " " },
        options.command
    );
    let _ = writeln!(
        out,
        "- {rounds} of {} rounds, interleaved, {} s for each measurement with a server that has just started; \
         servers on core {}, generator and targets on another one",
        options.rounds, options.seconds, options.core
    );
    out.push_str(
        "- Each cell: the median, the smallest and the largest in brackets, and how often that of `server` (or of `short-stack`, without \
         it) goes into it: the median of the ratios within each round. CPU is the server's, user and kernel, of all its processes. A GB is 10^9 bytes. Where GB/s times s/GB is \
         well below 1, the generator was the limit.\n\n",
    );
    out.push_str("| server | version and set-up |\n|---|---|\n");
    for server in Server::ALL {
        if options.wants_server(server.name()) {
            let about = match server.missing(options) {
                Some(why) => format!("**{why}**"),
                None => server.about(),
            };
            let _ = writeln!(out, "| {} | {about} |", server.name());
        }
    }
    out.push_str(&goals::judge(results));
    for row in results.rows() {
        let _ = write!(
            out,
            "\n## {}\n\n{}",
            row.title(options),
            table::draw(results, row)
        );
    }
    out
}
