//! What ours is to reach, against the best peer of each row.
//!
//! The copy loop speaks no SOCKS and has no policy, no deadline and no log; it is shown beside, where it
//! does the same work.

use std::fmt::Write as _;

use super::{Results, results::Summary};
use crate::{
    servers::Server,
    work::{Direction, Row},
};

/// What is asked of a number.
#[derive(Clone, Copy)]
enum Goal {
    /// So many times the smallest of the peers', at most.
    AtMost(f64),
    /// So many times the largest of the peers', at least.
    AtLeast(f64),
    /// So much at most, and below every peer's.
    Below(f64),
    /// So much, whatever the peers do.
    Within(f64),
}

/// The goals, by row and place of the number.
fn goals() -> Vec<(Row, usize, Goal)> {
    let mut goals = vec![(Row::Connections, 0, Goal::AtMost(0.95))];
    for tunnels in [1, 8] {
        for direction in [Direction::Down, Direction::Up] {
            goals.push((Row::Bulk(tunnels, direction), 0, Goal::AtMost(0.5)));
            goals.push((Row::Bulk(tunnels, direction), 1, Goal::AtLeast(1.3)));
        }
    }
    goals.extend([
        (Row::PingPong, 0, Goal::AtMost(1.0)),
        (Row::Udp(1), 0, Goal::AtMost(0.95)),
        (Row::Udp(32), 0, Goal::AtMost(0.75)),
        (Row::Memory, 0, Goal::Below(3.5)),
        (Row::Growth, 0, Goal::Within(15.0)),
    ]);
    goals
}

/// The goals and what became of them; nothing where there is nobody to compare with.
pub(super) fn judge(results: &Results) -> String {
    let mut out = String::new();
    for (row, place, goal) in goals() {
        let Some(ours) = results.summary(row, Server::Ours, place) else {
            continue;
        };
        let of = |server| {
            let summary = results.summary(row, server, place)?;
            // Ours against it; a growth of nothing has no ratio.
            let ratio = results
                .ratio(row, server, place)
                .map_or(f64::NAN, f64::recip);
            Some((server, summary, ratio))
        };
        let peers = results.servers(row).filter(|server| server.is_peer());
        type Peer = (Server, Summary, f64);
        let better = |a: &Peer, b: &Peer| match goal {
            Goal::AtMost(_) => b.2.total_cmp(&a.2),
            Goal::AtLeast(_) => a.2.total_cmp(&b.2),
            Goal::Below(_) | Goal::Within(_) => a.1.median.total_cmp(&b.1.median),
        };
        let best = peers.filter_map(of).min_by(better);
        let metric = row.metrics()[place];
        let ratio = |(_, _, ratio): Peer| ratio;
        let (asked, reached) = match goal {
            Goal::AtMost(most) => (
                format!("at most {most:.2} times"),
                best.map(|best| ratio(best) <= most),
            ),
            Goal::AtLeast(least) => (
                format!("at least {least:.2} times"),
                best.map(|best| ratio(best) >= least),
            ),
            Goal::Below(most) => (
                format!("at most {most:.1}, and below every peer"),
                best.map(|best| ours.median <= most && ratio(best) < 1.0),
            ),
            Goal::Within(most) => (format!("less than {most:.0}"), Some(ours.median < most)),
        };
        let digits = metric.digits;
        let shown = |other: Option<Peer>| match other {
            Some((server, summary, _)) if matches!(goal, Goal::Within(_)) => {
                format!("{} {:.digits$}", server.name(), summary.median)
            }
            Some(other) => format!(
                "{} {:.digits$}: {:.2} times",
                other.0.name(),
                other.1.median,
                ratio(other)
            ),
            None => "-".to_owned(),
        };
        let _ = writeln!(
            out,
            "| {}: {}, {} | {asked} | {:.digits$} | {} | {} | {} |",
            row.name(),
            metric.name,
            metric.unit,
            ours.median,
            shown(best),
            shown(of(Server::CopyLoop)),
            match reached {
                Some(true) => "reached",
                Some(false) => "**missed**",
                None => "nobody to compare with",
            },
        );
    }
    if out.is_empty() {
        return out;
    }
    format!(
        "\n## Goals\n\n| work | goal against the best SOCKS server of others | ours | the best: ours against it \
         | copy-loop, without SOCKS: ours against it | |\n|---|---|--:|---|---|---|\n{out}"
    )
}
