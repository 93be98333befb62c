//! Where and when it was measured.

use std::fs;

use crate::servers::said;

/// The lines for the head of the report.
pub(crate) fn describe() -> Vec<String> {
    let file = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpu = file("/proc/cpuinfo");
    let model = cpu.lines().find(|line| line.starts_with("model name"));
    let model = model
        .and_then(|line| line.split(": ").nth(1))
        .unwrap_or("?");
    let cores = cpu
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    let memory = file("/proc/meminfo");
    let memory = memory
        .split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse::<f64>().ok());
    vec![
        format!("Date: {}", said("date", &["-u", "+%Y-%m-%d"])),
        format!(
            "Machine: {model}, {cores} cores, {:.0} GiB, Linux {}, TCP {}, {}",
            memory.unwrap_or(f64::NAN) / 1024.0 / 1024.0,
            file("/proc/sys/kernel/osrelease").trim(),
            file("/proc/sys/net/ipv4/tcp_congestion_control").trim(),
            said("rustc", &["--version"]),
        ),
        format!(
            "Load average at the end: {}",
            file("/proc/loadavg")
                .split(' ')
                .take(3)
                .collect::<Vec<_>>()
                .join(" ")
        ),
    ]
}
