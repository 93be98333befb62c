//! A row as a table in Markdown.

use std::fmt::Write as _;

use super::Results;
use crate::work::Row;

pub(super) fn draw(results: &Results, row: Row) -> String {
    let mut out = String::from("| server |");
    for metric in row.metrics() {
        let _ = write!(out, " {}, {} |", metric.name, metric.unit);
    }
    out.push_str("\n|---|");
    out.push_str(&"--:|".repeat(row.metrics().len()));
    out.push('\n');
    let mut failures = String::new();
    for server in results.servers(row) {
        let _ = write!(out, "| {} |", server.name());
        for (place, metric) in row.metrics().iter().enumerate() {
            let digits = metric.digits;
            let Some(all) = results.summary(row, server, place) else {
                out.push_str(" - |");
                continue;
            };
            let _ = write!(out, " {:.digits$}", all.median);
            if all.least < all.most {
                let _ = write!(out, " [{:.digits$} .. {:.digits$}]", all.least, all.most);
            }
            // A percentage is a ratio already.
            let ratio = results.ratio(row, server, place);
            if let Some(ratio) =
                ratio.filter(|_| metric.unit != "%" && Some(server) != results.reference(row))
            {
                let _ = write!(out, ", {ratio:.2}x");
            }
            out.push_str(" |");
        }
        out.push('\n');
        for (failure, times) in results.failures(row, server) {
            let _ = write!(
                failures,
                "\n{} failed {times} times: {failure}\n",
                server.name()
            );
        }
    }
    out + &failures
}
