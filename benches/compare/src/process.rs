//! A server in a process of its own, on a core of its own, and what it uses.
//!
//! A server may be many processes: CPU and memory are those of the whole tree. CPU is what the kernel
//! has accounted to it, user and system, in ticks of 10 ms; children that have ended count when their
//! parent has waited for them. Memory is the proportional set size, which for a single process is the
//! resident one, and counts pages that forked processes share once.

use std::{
    fs::{self, File},
    net::{SocketAddrV4, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};

/// A running server. Dropping it ends it.
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Starts a command on a core, in a network namespace if one is named, and waits until it listens at
    /// `address`.
    pub(crate) fn start(
        command: &[String],
        core: usize,
        user: Option<u32>,
        namespace: Option<&str>,
        address: SocketAddrV4,
        log: &Path,
    ) -> anyhow::Result<Self> {
        let said = File::create(log)?;
        let child = Command::new("setpriv")
            // Should we be killed, it does not outlive us.
            .args(["--pdeathsig", "KILL"])
            .args(user.iter().flat_map(|id| {
                let (user, group) = (format!("--reuid={id}"), format!("--regid={id}"));
                [user, group, "--clear-groups".to_owned()]
            }))
            .args(
                namespace
                    .iter()
                    .flat_map(|name| ["ip", "netns", "exec", name]),
            )
            .args(["taskset", "-c", &core.to_string()])
            .args(command)
            .stdin(Stdio::null())
            .stdout(said.try_clone()?)
            .stderr(said)
            .spawn()
            .context("setpriv and taskset of util-linux")?;
        let mut process = Self { child };
        let started = Instant::now();
        while TcpStream::connect(address).is_err() {
            let ended = process.child.try_wait()?;
            if ended.is_some() || started.elapsed() > Duration::from_secs(10) {
                let said = fs::read_to_string(log).unwrap_or_default();
                let last = said.lines().last().unwrap_or("and said nothing").to_owned();
                bail!("does not start: {last}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(process)
    }

    /// Seconds of CPU that the tree has used.
    pub(crate) fn cpu(&self) -> f64 {
        let ticks: u64 = self.tree().iter().map(|one| one.ticks).sum();
        ticks as f64 / rustix::param::clock_ticks_per_second() as f64
    }

    /// Bytes of memory that the tree occupies.
    pub(crate) fn memory(&self) -> f64 {
        let tree = self.tree();
        tree.iter().map(|one| memory_of(one.id)).sum::<f64>() * 1024.0
    }

    /// The process and its descendants.
    fn tree(&self) -> Vec<Stat> {
        let all: Vec<Stat> = fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .filter_map(|entry| Stat::read(entry.ok()?.file_name().to_str()?.parse().ok()?))
            .collect();
        let mut tree: Vec<Stat> = Vec::new();
        tree.extend(all.iter().find(|one| one.id == self.child.id()));
        let mut seen = 0;
        while seen < tree.len() {
            let parent = tree[seen].id;
            tree.extend(all.iter().filter(|one| one.parent == parent));
            seen += 1;
        }
        tree
    }
}

impl Process {
    /// Asks it to end and waits for that, for what it writes only then.
    fn end(&mut self) {
        let Some(id) = Pid::from_raw(self.child.id().cast_signed()) else {
            return;
        };
        let _ = kill_process(id, Signal::TERM);
        let asked = Instant::now();
        while asked.elapsed() < Duration::from_secs(20) && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Of a program that counts for the compiler's profile.
        if std::env::var_os("LLVM_PROFILE_FILE").is_some() {
            self.end();
        }
        for one in self.tree().iter().rev() {
            if let Some(id) = Pid::from_raw(one.id.cast_signed()) {
                let _ = kill_process(id, Signal::KILL);
            }
        }
        let _ = self.child.wait();
    }
}

/// What `/proc/PID/stat` says of a process.
#[derive(Clone, Copy)]
struct Stat {
    id: u32,
    parent: u32,
    /// utime + stime + cutime + cstime.
    ticks: u64,
}

impl Stat {
    fn read(id: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // The name of the program may hold anything; the fields are counted from behind it.
        let (_, fields) = stat.rsplit_once(") ")?;
        let fields: Vec<&str> = fields.split(' ').collect();
        let ticks = fields.get(11..15)?.iter().map(|field| field.parse::<u64>());
        Some(Self {
            id,
            parent: fields.get(1)?.parse().ok()?,
            ticks: ticks.sum::<Result<_, _>>().ok()?,
        })
    }
}

/// KiB of one process; none where it has just ended.
fn memory_of(id: u32) -> f64 {
    let line = |file: &str, name: &str| -> Option<f64> {
        let said = fs::read_to_string(format!("/proc/{id}/{file}")).ok()?;
        let line = said.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().trim_end_matches(" kB").parse().ok()
    };
    line("smaps_rollup", "Pss:")
        .or_else(|| line("status", "VmRSS:"))
        .unwrap_or(0.0)
}
