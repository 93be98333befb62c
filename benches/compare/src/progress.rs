//! How far it is, in one line on the terminal; a log gets a line for each measurement.

use std::{
    io::{IsTerminal, Write},
    time::Instant,
};

/// A bar that is drawn on stderr.
pub(crate) struct Progress {
    started: Instant,
    done: usize,
    all: usize,
    terminal: bool,
}

impl Progress {
    pub(crate) fn new(all: usize) -> Self {
        Self {
            started: Instant::now(),
            done: 0,
            all,
            terminal: std::io::stderr().is_terminal(),
        }
    }

    /// The next step begins.
    pub(crate) fn show(&mut self, what: &str) {
        const WIDTH: usize = 30;
        let mut out = std::io::stderr();
        let _ = if self.terminal {
            let full = "#".repeat(WIDTH * self.done / self.all.max(1));
            let left = match self.started.elapsed().as_secs_f64() / self.done as f64 {
                each if each.is_finite() => (each * (self.all - self.done) as f64) as u64,
                _ => 0,
            };
            let (minutes, seconds) = (left / 60, left % 60);
            write!(
                out,
                "\r\x1b[K[{full:.<WIDTH$}] {minutes}:{seconds:02} left, {what}"
            )
        } else {
            writeln!(out, "{}/{} {what}", self.done + 1, self.all)
        };
        let _ = out.flush();
        self.done += 1;
    }

    pub(crate) fn done(&self) {
        if self.terminal {
            eprint!("\r\x1b[K");
        }
    }
}
