//! The numbers of each row.

use super::Row;
use crate::files::Amount;

/// A number that is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) digits: usize,
}

const fn metric(name: &'static str, unit: &'static str, digits: usize) -> Metric {
    Metric { name, unit, digits }
}

impl Row {
    /// What comes out, in the order of the results.
    pub(crate) const fn metrics(self) -> &'static [Metric] {
        const CONNECTIONS: &[Metric] = &[
            metric("CPU", "µs/connection", 1),
            metric("rate", "connections/s", 0),
            metric("p50", "µs", 0),
            metric("p99", "µs", 0),
        ];
        const BULK: &[Metric] = &[metric("CPU", "s/GB", 3), metric("throughput", "GB/s", 2)];
        const PING_PONG: &[Metric] = &[
            metric("CPU", "µs/round trip", 2),
            metric("rate", "round trips/s", 0),
        ];
        const UDP: &[Metric] = &[
            metric("CPU", "µs/echo", 2),
            metric("rate", "echoes/s", 0),
            metric("lost", "%", 2),
        ];
        const MEMORY: &[Metric] = &[metric("memory", "KiB/tunnel", 2)];
        const GROWTH: &[Metric] = &[
            metric("growth of CPU", "%", 1),
            metric("CPU with few", "µs/connection", 1),
            metric("CPU with some", "µs/connection", 1),
            metric("CPU with many", "µs/connection", 1),
            metric("memory with few", "KiB/tunnel", 2),
            metric("memory with some", "KiB/tunnel", 2),
            metric("memory with many", "KiB/tunnel", 2),
        ];
        const LATENCIES: &[Metric] = &[
            metric("asked", "1/s", 0),
            metric("p50", "µs", 0),
            metric("p99", "µs", 0),
            metric("p99.9", "µs", 0),
        ];
        const NETWORK: &[Metric] = &[
            metric("down", "MB/s", 1),
            metric("up", "MB/s", 1),
            metric("beside bulk, p50", "ms", 2),
            metric("beside bulk, p99", "ms", 2),
            metric("Jain's index", "of 1", 3),
        ];
        const ASSOCIATIONS: &[Metric] = &[
            metric("memory", "KiB/association", 2),
            metric("CPU beside", "µs/echo", 2),
        ];
        const AMOUNT: &[Metric] = &[
            metric("CPU", "µs/connection", 1),
            metric("memory of all", "MiB", 1),
        ];
        const LOOKUPS: &[Metric] = &[
            metric("CPU", "µs/lookup", 1),
            metric("memory", "KiB/lookup", 2),
            metric("CONNECT beside, p50", "µs", 0),
            metric("CONNECT beside, p99", "µs", 0),
        ];
        match self {
            Self::Connections => CONNECTIONS,
            Self::Bulk(..) => BULK,
            Self::PingPong => PING_PONG,
            Self::Udp(_) => UDP,
            Self::Memory => MEMORY,
            Self::Growth => GROWTH,
            Self::Arrivals(_) | Self::Trips(_) => LATENCIES,
            Self::Network(_) => NETWORK,
            Self::Associations(_) => ASSOCIATIONS,
            Self::Amount(Amount::Lookups(_)) => LOOKUPS,
            Self::Amount(_) => AMOUNT,
        }
    }
}
