//! The example server among faults: how it is started, what it occupies, who is disturbed.

pub mod peers;

use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::support::program::{Server, program};

/// Serves everybody on this machine; more of the file follows.
pub const OPEN: &str = "[acl]\ndefault = \"allow\"\nallow_private = true\n";

/// Flags for a server on a free port with this file.
pub fn flags(config: &str) -> [&str; 4] {
    ["--listen", "127.0.0.1:0", "--config", config]
}

/// Starts the server from a shell that has first done something to itself, such as `ulimit -n 64`.
pub fn start_after(shell: &str, flags: &[&str]) -> Server {
    Server::spawn(
        Command::new("sh")
            .args(["-c", &format!("{shell}; exec \"$0\" \"$@\"")])
            .arg(program())
            .args(flags)
            .env("RUST_LOG", "info"),
    )
}

/// What a process has open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptors {
    /// All but pipes: sockets, and what the runtime has.
    pub others: usize,
    /// Ends of pipes, of which each thread keeps a few for bulk data to come.
    pub pipes: usize,
}

impl Descriptors {
    pub fn of(process: u32) -> Self {
        let mut found = Self {
            others: 0,
            pipes: 0,
        };
        for entry in fs::read_dir(format!("/proc/{process}/fd")).unwrap() {
            // One that was closed in between is none.
            match fs::read_link(entry.unwrap().path()) {
                Ok(link) if link.to_string_lossy().starts_with("pipe:") => found.pipes += 1,
                Ok(_) => found.others += 1,
                Err(_) => {}
            }
        }
        found
    }
}

/// Descriptors and memory before the fault.
#[derive(Debug)]
pub struct Before {
    process: u32,
    descriptors: Descriptors,
    resident: usize,
}

/// Pipes that a thread keeps, two ends each.
const KEPT: usize = 2 * 16;

impl Before {
    /// Where a server stands that has come to rest.
    pub fn of(server: &Server) -> Self {
        let process = server.process.id();
        Self {
            process,
            descriptors: Descriptors::of(process),
            resident: resident(process),
        }
    }

    /// Waits until the server has given back every descriptor; its memory may have grown by `most`
    /// bytes.
    pub fn is_restored(&self, most: usize) {
        let threads = std::thread::available_parallelism().unwrap().get();
        eventually("descriptors come back", || {
            let now = Descriptors::of(self.process);
            let back = now.others == self.descriptors.others
                && now.pipes <= self.descriptors.pipes + KEPT * threads;
            back.then_some(())
                .ok_or(format!("{:?}, now {now:?}", self.descriptors))
        });
        self.has_grown_less_than(most);
    }

    /// Memory has a bound while the fault lasts.
    pub fn has_grown_less_than(&self, most: usize) {
        let grown = resident(self.process).saturating_sub(self.resident);
        assert!(grown < most, "{grown} bytes more than {}", self.resident);
    }

    pub fn descriptors(&self) -> Descriptors {
        self.descriptors
    }
}

/// What a process occupies, in bytes.
pub fn resident(process: u32) -> usize {
    let numbers = fs::read_to_string(format!("/proc/{process}/statm")).unwrap();
    let pages: usize = numbers.split(' ').nth(1).unwrap().parse().unwrap();
    pages * rustix::param::page_size()
}

/// Looks until it is so, for 30 seconds at most. Says what it was instead.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let started = Instant::now();
    loop {
        match look() {
            Ok(found) => return found,
            Err(instead) if started.elapsed() > Duration::from_secs(30) => {
                panic!("{what}: {instead}")
            }
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// As many descriptors for the test as the system lets it have. Says how many.
pub fn raise_descriptor_limit() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
    limit.maximum.map_or(usize::MAX, |most| most as usize)
}
