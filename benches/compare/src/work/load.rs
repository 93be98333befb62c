//! Load that does not wait for answers: how much of it, and when each piece of it is due.
//!
//! A client that waits for an answer before it asks again asks less of a server that is slow, and so never
//! sees how long others would have waited. Here each piece of work has its time, and what it took counts
//! from then on, whenever the generator came to it.

use std::{
    cell::RefCell,
    io,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::unix::AsyncFd;

use super::{At, connections, ping_pong};
use crate::servers::Server;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    Connection,
    RoundTrip,
}

/// How much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// Percent of what this server can do.
    Percent(u8),
    /// Eighty percent of what the slowest of all can do: the same for everybody.
    Slowest,
}

impl Load {
    /// For people.
    pub(super) fn title(self) -> String {
        match self {
            Self::Percent(percent) => format!("{percent} % of what each server can do"),
            Self::Slowest => "80 % of what the slowest server can do".to_owned(),
        }
    }
}

/// What each server can do in a second, as clients that wait for answers find it. Measured once a round.
#[derive(Debug, Default)]
pub(crate) struct Capacities(RefCell<Vec<(Work, Server, f64)>>);

impl Capacities {
    pub(crate) fn clear(&self) {
        self.0.borrow_mut().clear();
    }

    pub(crate) fn learn(&self, work: Work, server: Server, rate: f64) {
        self.0.borrow_mut().push((work, server, rate));
    }

    pub(crate) fn of(&self, work: Work, server: Server) -> Option<f64> {
        let known = self.0.borrow();
        let found = known.iter().find(|one| (one.0, one.1) == (work, server));
        found.map(|one| one.2)
    }

    fn least(&self, work: Work) -> f64 {
        let known = self.0.borrow();
        let rates = known.iter().filter(|one| one.0 == work).map(|one| one.2);
        rates.fold(f64::INFINITY, f64::min)
    }
}

/// What a server can do: known, or measured now.
pub(crate) async fn capacity(at: At<'_>, work: Work) -> anyhow::Result<f64> {
    if let Some(known) = at.capacities.of(work, at.server.who) {
        return Ok(known);
    }
    let rate = match work {
        Work::Connection => {
            let (window, _) = connections::visit(at).await?;
            window.done / window.seconds
        }
        Work::RoundTrip => ping_pong::rate(at).await?,
    };
    at.capacities.learn(work, at.server.who, rate);
    Ok(rate)
}

/// How much is asked of this server in a second.
pub(super) async fn rate(at: At<'_>, work: Work, load: Load) -> anyhow::Result<f64> {
    let own = capacity(at, work).await?;
    Ok(match load {
        Load::Percent(percent) => own * f64::from(percent) / 100.0,
        Load::Slowest => at.capacities.least(work) * 0.8,
    })
}

/// Times of arrival, which know nothing of each other: a Poisson process, drawn alike in each run.
pub(super) struct Arrivals {
    timer: AsyncFd<OwnedFd>,
    rate: f64,
    due: Instant,
    random: u64,
}

impl Arrivals {
    #[expect(
        deprecated,
        reason = "its successor is unsafe; what is registered is an owned descriptor"
    )]
    pub(super) fn new(rate: f64) -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        Ok(Self {
            timer: AsyncFd::new(timerfd_create(TimerfdClockId::Monotonic, flags)?)?,
            rate,
            due: Instant::now(),
            random: 1,
        })
    }

    /// Waits for the next one, and says when it was due.
    pub(super) async fn next(&mut self) -> io::Result<Instant> {
        let gap = -self.random().ln() / self.rate;
        self.due += Duration::from_secs_f64(gap);
        let left = self.due.saturating_duration_since(Instant::now());
        if left.is_zero() {
            // Late: the others of this thread have their turn all the same.
            tokio::task::coop::consume_budget().await;
            return Ok(self.due);
        }
        let time = Timespec {
            tv_sec: left.as_secs().cast_signed(),
            tv_nsec: left.subsec_nanos().into(),
        };
        let once = Itimerspec {
            it_interval: Timespec::default(),
            it_value: time,
        };
        timerfd_settime(self.timer.get_ref(), TimerfdTimerFlags::empty(), &once)?;
        loop {
            let mut ready = self.timer.readable().await?;
            let read = |timer: &AsyncFd<OwnedFd>| {
                Ok(rustix::io::read(timer.get_ref(), &mut [0_u8; 8][..])?)
            };
            match ready.try_io(read) {
                Ok(read) => return read.map(|_| self.due),
                Err(_) => continue,
            }
        }
    }

    /// Above 0, and at most 1: xorshift64*.
    fn random(&mut self) -> f64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        let bits = self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11;
        (bits + 1) as f64 / (1_u64 << 53) as f64
    }
}
