//! What so many of all took at most.

use std::time::Duration;

/// Microseconds below which each share of the latencies lies; not a number where there are none.
pub(super) fn percentiles<const N: usize>(
    mut latencies: Vec<Duration>,
    shares: [f64; N],
) -> [f64; N] {
    latencies.sort_unstable();
    shares.map(|share| {
        let index = (latencies.len() as f64 * share) as usize;
        let latency = latencies.get(index).or(latencies.last());
        latency.map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e6)
    })
}
