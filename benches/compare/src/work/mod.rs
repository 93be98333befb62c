//! The rows of the comparison: what is asked of a server, and what is measured meanwhile.

mod amount;
mod arrivals;
mod bulk;
mod connections;
mod growth;
mod idle_associations;
mod load;
mod lookups;
mod memory;
mod metrics;
mod network;
mod percentile;
mod ping_pong;
mod trips;
mod tunnels;
mod udp;

use std::time::{Duration, Instant};

pub(crate) use self::{
    growth::steps,
    load::{Capacities, Load, Work, capacity},
    lookups::in_flight,
};
use crate::{
    files::Amount,
    network::Condition,
    options::Options,
    servers::{Running, Server},
    targets::Targets,
};

/// Where bulk data goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Down,
    Up,
}

/// One row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Row {
    Connections,
    Bulk(usize, Direction),
    PingPong,
    Udp(usize),
    Memory,
    Growth,
    Arrivals(Load),
    Trips(Load),
    Network(Condition),
    Associations(usize),
    Amount(Amount),
}

impl Row {
    pub(crate) const ALL: [Self; 47] = [
        Self::Connections,
        Self::Bulk(1, Direction::Down),
        Self::Bulk(1, Direction::Up),
        Self::Bulk(8, Direction::Down),
        Self::Bulk(8, Direction::Up),
        Self::Bulk(64, Direction::Down),
        Self::Bulk(64, Direction::Up),
        Self::Bulk(100, Direction::Down),
        Self::Bulk(100, Direction::Up),
        Self::PingPong,
        Self::Udp(1),
        Self::Udp(8),
        Self::Udp(32),
        Self::Memory,
        Self::Growth,
        Self::Arrivals(Load::Percent(50)),
        Self::Arrivals(Load::Percent(80)),
        Self::Arrivals(Load::Percent(95)),
        Self::Arrivals(Load::Slowest),
        Self::Trips(Load::Percent(50)),
        Self::Trips(Load::Percent(80)),
        Self::Trips(Load::Percent(95)),
        Self::Trips(Load::Slowest),
        Self::Network(Condition::ALL[0]),
        Self::Network(Condition::ALL[1]),
        Self::Network(Condition::ALL[2]),
        Self::Network(Condition::ALL[3]),
        Self::Network(Condition::ALL[4]),
        Self::Network(Condition::ALL[5]),
        Self::Network(Condition::ALL[6]),
        Self::Associations(10),
        Self::Associations(100),
        Self::Associations(1_000),
        Self::Amount(Amount::Users(1)),
        Self::Amount(Amount::Users(100)),
        Self::Amount(Amount::Users(10_000)),
        Self::Amount(Amount::Users(100_000)),
        Self::Amount(Amount::Rules(10)),
        Self::Amount(Amount::Rules(1_000)),
        Self::Amount(Amount::Rules(10_000)),
        Self::Amount(Amount::Rules(100_000)),
        Self::Amount(Amount::Rules(1_000_000)),
        Self::Amount(Amount::Lookups(1)),
        Self::Amount(Amount::Lookups(10)),
        Self::Amount(Amount::Lookups(100)),
        Self::Amount(Amount::Lookups(1_000)),
        Self::Amount(Amount::Lookups(10_000)),
    ];

    /// For file names and command lines.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Connections => "connections".into(),
            Self::Bulk(tunnels, Direction::Down) => format!("bulk-{tunnels}-down"),
            Self::Bulk(tunnels, Direction::Up) => format!("bulk-{tunnels}-up"),
            Self::PingPong => "ping-pong".into(),
            Self::Udp(window) => format!("udp-{window}"),
            Self::Memory => "memory".into(),
            Self::Growth => "growth".into(),
            Self::Arrivals(Load::Percent(percent)) => format!("arrivals-{percent}"),
            Self::Arrivals(Load::Slowest) => "arrivals-slowest".into(),
            Self::Trips(Load::Percent(percent)) => format!("trips-{percent}"),
            Self::Trips(Load::Slowest) => "trips-slowest".into(),
            Self::Network(condition) => format!("network-{}", condition.name),
            Self::Associations(count) => format!("associations-{count}"),
            Self::Amount(Amount::Users(count)) => format!("users-{count}"),
            Self::Amount(Amount::Rules(count)) => format!("rules-{count}"),
            Self::Amount(Amount::Lookups(count)) => {
                format!("lookups-{count}")
            }
        }
    }

    /// What is done, for people.
    pub(crate) fn title(self, options: &Options) -> String {
        match self {
            Self::Connections => format!(
                "Connections: {} clients, each connects, asks, echoes 16 bytes, closes",
                connections::CLIENTS
            ),
            Self::Bulk(tunnels, direction) => {
                let path = match direction {
                    Direction::Down => "target to client",
                    Direction::Up => "client to target",
                };
                let plural = if tunnels == 1 { "tunnel" } else { "tunnels" };
                format!("Bulk: {tunnels} {plural}, {path}")
            }
            Self::PingPong => format!(
                "Ping-pong: {} tunnels, {} bytes there and back",
                ping_pong::TUNNELS,
                ping_pong::MESSAGE
            ),
            Self::Udp(window) => format!(
                "UDP: {} associations, {} bytes, {window} in flight on each",
                udp::ASSOCIATIONS,
                udp::PAYLOAD
            ),
            Self::Memory => format!("Memory: {} idle tunnels", options.idle),
            Self::Growth => {
                let [few, some, many] = growth::steps(options);
                format!("Growth: new connections while {few}, {some} and {many} are held open")
            }
            Self::Arrivals(load) => format!(
                "Connections that come when they are due, at {}",
                load.title()
            ),
            Self::Trips(load) => format!(
                "Round trips of {} bytes in {} tunnels, sent when they are due, at {}",
                ping_pong::MESSAGE,
                trips::TUNNELS,
                load.title()
            ),
            Self::Network(condition) => format!(
                "Network between client and server: {}; one tunnel, {} bytes there and back beside it, {} tunnels",
                condition.title(),
                network::MESSAGE,
                network::MANY
            ),
            Self::Associations(count) => {
                format!(
                    "UDP: {count} idle associations, and an echo of {} others",
                    udp::ASSOCIATIONS
                )
            }
            Self::Amount(Amount::Users(count)) => {
                format!("Connections of {count} users with limits, who take turns")
            }
            Self::Amount(Amount::Rules(count)) => {
                format!("Connections with {count} networks and names in the rules")
            }
            Self::Amount(Amount::Lookups(count)) => {
                let count = in_flight(count);
                format!("Lookups: {count} in flight, and another client's CONNECT by address")
            }
        }
    }

    /// Whether this row can be asked of that server.
    pub(crate) const fn suits(self, server: Server) -> bool {
        match self {
            Self::Udp(_) => server.has_udp(),
            Self::Associations(_) => server.has_udp() && !matches!(server, Server::Direct),
            Self::Amount(_) => matches!(server, Server::Example),
            Self::Memory | Self::Growth => !matches!(server, Server::Direct),
            Self::Connections
            | Self::Bulk(..)
            | Self::PingPong
            | Self::Arrivals(_)
            | Self::Trips(_) => true,
            // What is in front of the same relay makes no difference here.
            Self::Network(_) => !matches!(server, Server::Everything | Server::ShortStack),
        }
    }

    /// Of what the capacities of all servers have to be known before.
    pub(crate) const fn needs_all(self) -> Option<Work> {
        match self {
            Self::Arrivals(Load::Slowest) => Some(Work::Connection),
            Self::Trips(Load::Slowest) => Some(Work::RoundTrip),
            _ => None,
        }
    }

    /// What a result says of a capacity.
    pub(crate) fn capacity(self, result: &[f64]) -> Option<(Work, f64)> {
        match self {
            Self::Connections => Some((Work::Connection, result[1])),
            Self::PingPong => Some((Work::RoundTrip, result[1])),
            _ => None,
        }
    }

    /// Measures once.
    pub(crate) async fn measure(self, at: At<'_>) -> anyhow::Result<Vec<f64>> {
        match self {
            Self::Connections => connections::measure(at).await,
            Self::Bulk(tunnels, direction) => bulk::measure(at, tunnels, direction).await,
            Self::PingPong => ping_pong::measure(at).await,
            Self::Udp(window) => udp::measure(at, window).await,
            Self::Memory => memory::measure(at).await,
            Self::Growth => growth::measure(at).await,
            Self::Arrivals(load) => arrivals::measure(at, load).await,
            Self::Trips(load) => trips::measure(at, load).await,
            Self::Network(_) => network::measure(at).await,
            Self::Associations(count) => idle_associations::measure(at, count).await,
            Self::Amount(Amount::Lookups(count)) => lookups::measure(at, count).await,
            Self::Amount(_) => amount::measure(at).await,
        }
    }
}

/// Where it is measured.
#[derive(Clone, Copy)]
pub(crate) struct At<'a> {
    pub(crate) options: &'a Options,
    pub(crate) targets: &'a Targets,
    pub(crate) server: &'a Running,
    pub(crate) capacities: &'a Capacities,
}

/// What came of a stretch of time.
struct Window {
    seconds: f64,
    cpu: f64,
    done: f64,
}

impl At<'_> {
    /// Watches the server for as long as asked, after a moment to warm up.
    async fn watch(self, done: impl Fn() -> u64) -> Window {
        tokio::time::sleep(Duration::from_secs_f64(self.options.seconds / 5.0)).await;
        let (cpu, started, before) = (self.server.cpu(), Instant::now(), done());
        tokio::time::sleep(Duration::from_secs_f64(self.options.seconds)).await;
        let (after, seconds) = (done(), started.elapsed().as_secs_f64());
        Window {
            seconds,
            cpu: self.server.cpu() - cpu,
            done: (after - before) as f64,
        }
    }
}
