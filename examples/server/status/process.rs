//! What the system knows of this process, and what was built: by the names that all programs use for Prometheus.

use std::{
    fmt::Write,
    fs,
    time::{SystemTime, UNIX_EPOCH},
};

use rustix::time::{ClockId, clock_gettime};

use crate::descriptors;

/// This process.
pub(super) struct Process {
    /// In seconds since 1970.
    started: f64,
}

impl Process {
    /// What was started a moment ago.
    pub(super) fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            started: now.unwrap_or_default().as_secs_f64(),
        }
    }

    /// Adds its numbers. What the system does not tell is left out.
    pub(super) fn write(&self, text: &mut String) {
        let version = env!("CARGO_PKG_VERSION");
        _ = write!(
            text,
            "# HELP socks_build_info The version of the server, in a label.\n\
             # TYPE socks_build_info gauge\n\
             socks_build_info{{version=\"{version}\"}} 1\n\n"
        );
        let mut number = |name: &str, kind: &str, help: &str, value: Option<f64>| {
            if let Some(value) = value {
                _ = write!(
                    text,
                    "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n\n"
                );
            }
        };
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        // A float has a place for each of these.
        #[expect(clippy::cast_precision_loss)]
        let whole = |number: u64| number as f64;
        #[expect(clippy::cast_precision_loss)]
        let cpu = cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9;
        number(
            "process_cpu_seconds_total",
            "counter",
            "Time of all cores, in seconds.",
            Some(cpu),
        );
        number(
            "process_resident_memory_bytes",
            "gauge",
            "Memory that is resident, in bytes.",
            resident().map(whole),
        );
        number(
            "process_open_fds",
            "gauge",
            "Descriptors that are open.",
            descriptors::open().ok().map(whole),
        );
        number(
            "process_max_fds",
            "gauge",
            "Descriptors that may be open.",
            descriptors::limit().map(whole),
        );
        number(
            "process_start_time_seconds",
            "gauge",
            "When it was started, in seconds since 1970.",
            Some(self.started),
        );
    }
}

/// Octets of memory, where Linux tells.
fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}
