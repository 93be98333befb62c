//! `/status.json`: the state of the server by now, as the page asks for it.

use std::time::{Duration, UNIX_EPOCH};

use serde::Serialize;

use super::{
    Status,
    listing::Listed,
    nodes::{Summary, Together},
    row::{self, Row},
    selection::Selection,
    series::Series,
    sums::Line,
};
use crate::{certificates::Certificates, fleet::Node};

/// Reasons of refusals that are shown.
const REASONS: usize = 100;

#[derive(Debug, Serialize)]
pub(super) struct Snapshot<'a> {
    version: &'static str,
    /// In seconds.
    uptime: u64,
    /// Open now, and opened since the start.
    open: usize,
    opened: u64,
    /// Octets from clients and from targets, since the start.
    up: u64,
    down: u64,
    /// Requests refused since the start.
    refused: u64,
    /// What `/ready` says against this server.
    problems: Vec<&'static str>,
    /// Whether the page can close tunnels.
    admin: bool,
    /// This server as a node of a fleet, if it is one.
    fleet: Option<Node>,
    /// All of them and their sums, where that was asked for and Redis answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    nodes: Option<&'a [Summary]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    together: Option<Together>,
    process: Process,
    limits: Vec<Limit>,
    upstreams: Vec<Upstream<'a>>,
    certificates: Vec<Certificate>,
    refusals: Vec<Refusal<'a>>,
    events: Vec<LimitEvent<'a>>,
    users: Vec<Line>,
    targets: Vec<Line>,
    /// Of the open ones, those that were asked for; from which on; and they.
    matching: usize,
    offset: usize,
    tunnels: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Process {
    /// Octets of memory.
    resident: Option<u64>,
    descriptors: Option<u64>,
    /// Seconds of all cores since the start.
    cpu: Option<f64>,
}

/// How full something is.
#[derive(Debug, Serialize)]
struct Limit {
    name: &'static str,
    /// The user or client; where it is left out, all together.
    #[serde(skip_serializing_if = "Option::is_none")]
    whom: Option<String>,
    used: u64,
    most: u64,
}

#[derive(Debug, Serialize)]
struct Upstream<'a> {
    name: &'a str,
    up: bool,
}

/// The first of a file that expires.
#[derive(Debug, Serialize)]
struct Certificate {
    file: String,
    /// Seconds since 1970.
    expires: u64,
}

#[derive(Debug, Serialize)]
struct Refusal<'a> {
    reason: &'a str,
    count: u64,
}

#[derive(Debug, Serialize)]
struct LimitEvent<'a> {
    limit: &'a str,
    event: &'a str,
    count: u64,
}

impl<'a> Snapshot<'a> {
    pub(super) fn of(
        status: &Status,
        series: &'a Series,
        listed: &[Listed],
        selection: &Selection,
        nodes: Option<&'a [Summary]>,
    ) -> Self {
        let totals = status.open.totals();
        let (matching, selected) = selection.of(listed);
        let (users, targets) = status.watch.sums.lines(listed);
        let refusals = series.refusals.iter().take(REASONS);
        let events = series.limits.iter().take(REASONS);
        Self {
            version: env!("CARGO_PKG_VERSION"),
            uptime: status.started.elapsed().as_secs(),
            open: totals.open,
            opened: totals.opened,
            up: totals.traffic.up,
            down: totals.traffic.down,
            refused: series.refused(),
            problems: status.health.problems(),
            admin: status.admin().is_some(),
            fleet: status.fleet.node(),
            nodes,
            together: nodes.map(Together::of),
            process: Process {
                resident: whole(series, "process_resident_memory_bytes"),
                descriptors: whole(series, "process_open_fds"),
                cpu: series.get("process_cpu_seconds_total"),
            },
            limits: limits(series),
            upstreams: series
                .upstreams
                .iter()
                .map(|(name, up)| Upstream { name, up: *up })
                .collect(),
            certificates: certificates(&status.in_force.borrow().certificates),
            refusals: refusals
                .map(|(reason, count)| Refusal {
                    reason,
                    count: *count,
                })
                .collect(),
            events: events
                .map(|(limit, event, count)| LimitEvent {
                    limit,
                    event,
                    count: *count,
                })
                .collect(),
            users,
            targets,
            matching,
            offset: selection.offset,
            tunnels: selected.into_iter().map(Row::of).collect(),
        }
    }
}

fn certificates(in_force: &Certificates) -> Vec<Certificate> {
    let all = in_force.iter().map(|(file, expires)| Certificate {
        file: file.display().to_string(),
        expires: expires
            .duration_since(UNIX_EPOCH)
            .as_ref()
            .map_or(0, Duration::as_secs),
    });
    all.collect()
}

/// What has a bound, and how much of it is used.
fn limits(series: &Series) -> Vec<Limit> {
    use tower_socks::layer::metrics::names;

    let known = [
        ("sessions", names::SESSIONS_OPEN, names::SESSIONS_LIMIT),
        ("descriptors", "process_open_fds", "process_max_fds"),
    ];
    let limit = |(name, used, most)| {
        Some(Limit {
            name,
            whom: None,
            used: whole(series, used).unwrap_or(0),
            most: whole(series, most)?,
        })
    };
    let all = known.into_iter().filter_map(limit);
    let each = series.fullest.iter().map(|full| Limit {
        name: full.limit,
        whom: Some(row::whom(&full.whom)),
        used: full.used,
        most: full.most,
    });
    all.chain(each).collect()
}

/// A series that counts something.
fn whole(series: &Series, name: &str) -> Option<u64> {
    let value = series.get(name)?;
    // Gauges of what there is are whole, and none is so large.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let value = value as u64;
    Some(value)
}
