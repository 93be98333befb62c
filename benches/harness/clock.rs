//! CPU time.

use std::{fs, time::Duration};

use rustix::time::{ClockId, clock_gettime};

/// What the calling thread has used, user and kernel.
pub(crate) fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.cast_unsigned(), time.tv_nsec as u32)
}

/// What a process with one busy thread has used. Exact while it sleeps, a tick behind otherwise.
#[derive(Clone, Copy)]
pub(crate) struct ProcessCpu {
    /// User and kernel, exact.
    total: Duration,
    /// Ticks that hit it in user mode and in the kernel: the shares of the total.
    user: u64,
    system: u64,
}

impl ProcessCpu {
    /// Reads the clocks of a process.
    pub(crate) fn of(process: u32) -> Self {
        let schedstat = fs::read_to_string(format!("/proc/{process}/schedstat")).unwrap();
        let nanoseconds = schedstat.split(' ').next().unwrap().parse().unwrap();
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
        // The name of the program may hold anything; the fields are counted from behind it.
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let field = |index| fields.split(' ').nth(index).unwrap().parse().unwrap();
        Self {
            total: Duration::from_nanos(nanoseconds),
            user: field(12),
            system: field(13),
        }
    }

    /// Seconds used since: user and kernel, and user alone.
    pub(crate) fn since(self, before: Self) -> (f64, f64) {
        let total = (self.total - before.total).as_secs_f64();
        let user = (self.user - before.user) as f64;
        let system = (self.system - before.system) as f64;
        (total, total * user / (user + system).max(1.0))
    }
}

/// Resident memory of a process, in bytes.
pub(crate) fn resident(process: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.unwrap().trim().trim_end_matches(" kB");
    kibibytes.parse::<f64>().unwrap() * 1024.0
}
