//! What is measured with few and with many of something, as lines: what one of them costs, and what it occupies.

use std::fmt::Write as _;

use super::{
    Results,
    lines::{Chart, Line, Point},
    results::Summary,
};
use crate::{
    files::Amount,
    options::Options,
    servers::Server,
    work::{Row, in_flight, steps},
};

/// What there is more and more of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Subject {
    Tunnels,
    Users,
    Rules,
    Associations,
    Lookups,
}

/// A number of rows, by its place in the last of them.
struct Quantity {
    /// For file names.
    name: &'static str,
    title: &'static str,
    unit: &'static str,
    kind: Kind,
}

enum Kind {
    /// As it was measured, at this place.
    Measured(usize),
    /// Of what was measured in MiB for all at this place: KiB of each one beyond the fewest.
    OfEach(usize),
    /// At places from this one on, one for each number of tunnels.
    Steps(usize),
}

impl Subject {
    const ALL: [Self; 5] = [
        Self::Tunnels,
        Self::Users,
        Self::Rules,
        Self::Associations,
        Self::Lookups,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Tunnels => "growth",
            Self::Users => "users",
            Self::Rules => "rules",
            Self::Associations => "associations",
            Self::Lookups => "lookups",
        }
    }

    /// What the horizontal axis counts.
    fn counts(self) -> &'static str {
        match self {
            Self::Tunnels => "tunnels held open",
            Self::Users => "users with limits",
            Self::Rules => "networks and names in the rules",
            Self::Associations => "idle associations",
            Self::Lookups => "lookups in flight",
        }
    }

    /// How many there are in a row.
    fn count(self, row: Row) -> Option<usize> {
        match (self, row) {
            (Self::Users, Row::Amount(Amount::Users(count)))
            | (Self::Rules, Row::Amount(Amount::Rules(count)))
            | (Self::Associations, Row::Associations(count)) => Some(count),
            (Self::Lookups, Row::Amount(Amount::Lookups(count))) => Some(in_flight(count)),
            _ => None,
        }
    }

    fn quantities(self) -> Vec<Quantity> {
        let quantity = |name, title, unit, kind| Quantity {
            name,
            title,
            unit,
            kind,
        };
        let cpu = |unit, kind| quantity("cpu", "CPU", unit, kind);
        let memory = |unit, kind| quantity("memory", "Memory", unit, kind);
        match self {
            Self::Tunnels => vec![
                cpu("µs/connection", Kind::Steps(1)),
                memory("KiB/tunnel", Kind::Steps(4)),
            ],
            Self::Users => vec![
                cpu("µs/connection", Kind::Measured(0)),
                memory("KiB/user beyond the fewest", Kind::OfEach(1)),
            ],
            Self::Rules => vec![
                cpu("µs/connection", Kind::Measured(0)),
                memory("KiB/rule beyond the fewest", Kind::OfEach(1)),
            ],
            Self::Associations => vec![
                cpu("µs/echo of others", Kind::Measured(1)),
                memory("KiB/association", Kind::Measured(0)),
            ],
            Self::Lookups => vec![
                cpu("µs/lookup", Kind::Measured(0)),
                memory("KiB/lookup", Kind::Measured(1)),
                quantity(
                    "beside",
                    "Another client's CONNECT by address, p99",
                    "µs",
                    Kind::Measured(3),
                ),
            ],
        }
    }
}

/// The charts, by the names of their files.
pub(super) fn charts(results: &Results, options: &Options) -> Vec<(String, Chart)> {
    let mut charts = Vec::new();
    for subject in Subject::ALL {
        for quantity in subject.quantities() {
            let lines = lines(results, options, subject, &quantity.kind);
            // One number makes no line.
            if !lines.iter().any(|line| line.points.len() > 1) {
                continue;
            }
            let name = format!("{}-{}.svg", subject.name(), quantity.name);
            let title = format!("{}, {}", quantity.title, quantity.unit);
            let counts = subject.counts();
            charts.push((
                name,
                Chart {
                    title,
                    counts,
                    lines,
                },
            ));
        }
    }
    charts
}

/// The charts as a part of the report, with what is missing in them.
pub(super) fn section(charts: &[(String, Chart)]) -> String {
    let mut out = String::new();
    for (name, chart) in charts {
        let _ = write!(out, "\n![{}, by {}]({name})\n", chart.title, chart.counts);
        for line in &chart.lines {
            if !line.missing.is_empty() {
                let missing: Vec<_> = line.missing.iter().map(usize::to_string).collect();
                let (server, missing) = (line.server.name(), missing.join(", "));
                let _ = write!(out, "\n{server} has no number at {missing}.\n");
            }
        }
    }
    if out.is_empty() {
        return out;
    }
    format!("\n## Charts of what grows\n{out}")
}

fn lines(results: &Results, options: &Options, subject: Subject, kind: &Kind) -> Vec<Line> {
    let rows: Vec<_> = match subject {
        Subject::Tunnels => results.rows().filter(|row| *row == Row::Growth).collect(),
        _ => results
            .rows()
            .filter(|row| subject.count(*row).is_some())
            .collect(),
    };
    let took_part =
        |server: &Server| (rows.iter()).any(|row| results.servers(*row).any(|one| one == *server));
    let mut lines = Vec::new();
    for server in Server::ALL.into_iter().filter(took_part) {
        let numbers: Vec<(usize, Option<Summary>)> = match *kind {
            Kind::Steps(first) => steps(options)
                .into_iter()
                .enumerate()
                .map(|(step, count)| (count, results.summary(Row::Growth, server, first + step)))
                .collect(),
            Kind::Measured(place) | Kind::OfEach(place) => (rows.iter())
                .filter_map(|row| {
                    Some((subject.count(*row)?, results.summary(*row, server, place)))
                })
                .collect(),
        };
        let numbers = match kind {
            Kind::OfEach(_) => of_each(&numbers),
            _ => numbers,
        };
        let mut line = Line {
            server,
            points: Vec::new(),
            missing: Vec::new(),
        };
        for (count, number) in numbers {
            match number {
                Some(value) => line.points.push(Point { count, value }),
                None => line.missing.push(count),
            }
        }
        lines.push(line);
    }
    lines
}

/// From MiB of all to KiB of each one beyond the fewest, which are what it is counted from.
fn of_each(numbers: &[(usize, Option<Summary>)]) -> Vec<(usize, Option<Summary>)> {
    let Some(((fewest, base), rest)) = numbers.split_first() else {
        return Vec::new();
    };
    let each = |count: usize, all: Summary| {
        let base = base.as_ref()?.median;
        let each = |mebibytes: f64| (mebibytes - base) * 1024.0 / (count - fewest) as f64;
        Some(Summary {
            median: each(all.median),
            least: each(all.least),
            most: each(all.most),
        })
    };
    rest.iter()
        .filter(|(count, _)| count > fewest)
        .map(|(count, all)| (*count, all.and_then(|all| each(*count, all))))
        .collect()
}
