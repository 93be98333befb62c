//! What the server that people run is to reach, against the best peer of each row, and with everything on
//! against itself.
//!
//! The copy loop speaks no SOCKS and has no policy, no deadline and no log; it is shown beside, where it
//! does the same work.

use std::fmt::Write as _;

use super::Results;
use crate::{
    servers::Server,
    work::{Direction, Load, Row},
};

/// What is asked of a number.
#[derive(Clone, Copy)]
enum Goal {
    /// So many times the smallest of the peers', at most.
    AtMost(f64),
    /// So many times the largest of the peers', at least.
    AtLeast(f64),
    /// So much at most, and so many times the smallest of the peers'.
    Both(f64, f64),
    /// So many times the copy loop's, at most.
    Floor(f64),
    /// With everything on, so many times its own, at most.
    Everything(f64),
    /// Everything on, so many times the smallest of the peers', at most.
    EverythingAtMost(f64),
    /// So much, whatever the peers do.
    Within(f64),
}

impl Goal {
    /// Who is judged.
    fn whose(self, results: &Results, row: Row) -> Option<Server> {
        match self {
            Self::Everything(_) | Self::EverythingAtMost(_) => Some(Server::Everything),
            _ => results.reference(row),
        }
    }

    /// Whom it is judged by.
    fn by(self, results: &Results, row: Row) -> Vec<Server> {
        match self {
            Self::Floor(_) => vec![Server::CopyLoop],
            Self::Everything(_) => vec![Server::Example],
            Self::Within(_) => Vec::new(),
            _ => results.servers(row).filter(|one| one.is_peer()).collect(),
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtMost(most) => format!("at most {most:.2} times the best peer"),
            Self::AtLeast(least) => format!("at least {least:.2} times the best peer"),
            Self::Both(most, times) => {
                format!("at most {most:.1}, and {times:.2} times the best peer")
            }
            Self::Floor(most) => format!("at most {most:.2} times the copy loop"),
            Self::Everything(most) => format!("at most {most:.2} times the default"),
            Self::EverythingAtMost(most) => format!("at most {most:.2} times the best peer"),
            Self::Within(most) => format!("at most {most:.0}"),
        }
    }

    /// Whether it is reached, by a value and the ratio to whom it is judged by.
    fn is_reached(self, value: f64, ratio: f64) -> bool {
        match self {
            Self::AtLeast(least) => ratio >= least,
            Self::AtMost(most)
            | Self::Floor(most)
            | Self::Everything(most)
            | Self::EverythingAtMost(most) => ratio <= most,
            Self::Both(most, times) => value <= most && ratio <= times,
            Self::Within(most) => value <= most,
        }
    }
}

/// The goals, by row and place of the number.
fn goals() -> Vec<(Row, usize, Goal)> {
    let mut goals = vec![
        (Row::Connections, 0, Goal::AtMost(0.95)),
        (Row::Connections, 0, Goal::Floor(1.2)),
        (Row::Connections, 0, Goal::Everything(1.15)),
    ];
    for tunnels in [1, 8] {
        for direction in [Direction::Down, Direction::Up] {
            goals.push((Row::Bulk(tunnels, direction), 0, Goal::AtMost(0.35)));
            goals.push((Row::Bulk(tunnels, direction), 1, Goal::AtLeast(2.0)));
        }
    }
    goals.extend([
        (Row::Arrivals(Load::Percent(80)), 2, Goal::AtMost(1.0)),
        (Row::Arrivals(Load::Slowest), 2, Goal::AtMost(1.0)),
        (Row::PingPong, 0, Goal::AtMost(1.0)),
        (Row::PingPong, 0, Goal::EverythingAtMost(1.1)),
        (Row::Udp(1), 0, Goal::AtMost(0.95)),
        (Row::Udp(32), 0, Goal::AtMost(0.70)),
        (Row::Memory, 0, Goal::Both(2.5, 0.2)),
        (Row::Associations(1_000), 0, Goal::AtMost(0.5)),
        (Row::Growth, 0, Goal::Within(15.0)),
    ]);
    goals
}

/// The goals and what became of them; nothing where there is nobody to compare with.
pub(super) fn judge(results: &Results) -> String {
    let mut out = String::new();
    for (row, place, goal) in goals() {
        let Some(whose) = goal.whose(results, row) else {
            continue;
        };
        let Some(value) = results.summary(row, whose, place) else {
            continue;
        };
        // His against theirs.
        let judges = goal.by(results, row).into_iter().filter_map(|server| {
            let ratio = results.ratio_to(row, server, whose, place)?;
            Some((server, results.summary(row, server, place)?.median, ratio))
        });
        let best = match goal {
            Goal::AtLeast(_) => judges.min_by(|a, b| a.2.total_cmp(&b.2)),
            _ => judges.max_by(|a, b| a.2.total_cmp(&b.2)),
        };
        let metric = row.metrics()[place];
        let digits = metric.digits;
        let (beside, verdict) = match (goal, best) {
            (Goal::Within(_), _) => ("-".to_owned(), Some(goal.is_reached(value.median, 1.0))),
            (_, None) => ("-".to_owned(), None),
            (_, Some((server, other, ratio))) => (
                format!("{} {other:.digits$}: {ratio:.2} times", server.name()),
                Some(goal.is_reached(value.median, ratio)),
            ),
        };
        let _ = writeln!(
            out,
            "| {}: {}, {} | {} | {} {:.digits$} | {beside} | {} |",
            row.name(),
            metric.name,
            metric.unit,
            goal.text(),
            whose.name(),
            value.median,
            match verdict {
                Some(true) => "reached",
                Some(false) => "**missed**",
                None => "nobody to compare with",
            },
        );
    }
    if out.is_empty() {
        return out;
    }
    format!("\n## Goals\n\n| work | goal | measured | beside | |\n|---|---|---|---|---|\n{out}")
}
