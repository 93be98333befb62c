//! A row as bars in SVG, one panel for each number. Text takes the colour of the scheme that the
//! reader has, light or dark.

use std::fmt::Write as _;

use super::Results;
use crate::{servers::Server, work::Row};

const WIDTH: f64 = 640.0;
/// Where bars begin, and how long they may be.
const LEFT: f64 = 100.0;
const LONGEST: f64 = 400.0;
const LINE: f64 = 22.0;

const STYLE: &str = "<style>\
    text{font:13px system-ui,sans-serif;fill:#333}.t{font-weight:600}.n{fill:#666}\
    .ours{fill:#1a7f5a}.peer{fill:#9aa5b1}.rest{fill:#c9d1d9}.r{stroke:#555}\
    @media(prefers-color-scheme:dark){text{fill:#ddd}.n{fill:#aaa}.ours{fill:#3fb68b}\
    .peer{fill:#6e7781}.rest{fill:#444c56}.r{stroke:#bbb}}</style>";

pub(super) fn draw(results: &Results, row: Row, title: &str) -> String {
    let mut body = String::new();
    let mut y = 20.0;
    let _ = writeln!(
        body,
        "<text class=\"t\" x=\"8\" y=\"{y}\">{}</text>",
        escaped(title)
    );
    for (place, metric) in row.metrics().iter().enumerate() {
        let bars: Vec<_> = results
            .servers(row)
            .filter_map(|server| Some((server, results.summary(row, server, place)?)))
            .collect();
        let most = bars.iter().map(|(_, all)| all.most).fold(0.0, f64::max);
        if most <= 0.0 {
            continue;
        }
        y += LINE + 6.0;
        let _ = writeln!(
            body,
            "<text class=\"n\" x=\"8\" y=\"{y}\">{}, {}</text>",
            metric.name, metric.unit
        );
        for (server, all) in bars {
            y += LINE;
            let class = match server {
                _ if server.is_ours() => "ours",
                Server::CopyLoop | Server::Direct => "rest",
                _ => "peer",
            };
            let length = |value: f64| (value / most * LONGEST).max(0.0);
            let (bar, top, middle) = (length(all.median), y - 13.0, y - 5.0);
            let (from, to) = (LEFT + length(all.least), LEFT + length(all.most));
            let digits = metric.digits;
            let _ = writeln!(
                body,
                "<text x=\"8\" y=\"{y}\">{}</text>\
                 <rect class=\"{class}\" x=\"{LEFT}\" y=\"{top}\" width=\"{bar:.1}\" height=\"16\" rx=\"2\"/>\
                 <path class=\"r\" d=\"M{from:.1} {middle}H{to:.1}\"/>\
                 <text x=\"{:.1}\" y=\"{y}\">{:.digits$}</text>",
                server.name(),
                LEFT + bar.max(length(all.most)) + 6.0,
                all.median,
            );
        }
    }
    let height = y + 14.0;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\">{STYLE}\n{body}</svg>\n"
    )
}

pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
