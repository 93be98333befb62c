//! One session: a client in memory in front of the stack, and how it ended.

use std::{error::Error, time::Duration};

use tokio::{io::DuplexStream, task::JoinHandle, time::Instant};
use tower::ServiceExt;
use tower_socks::{BoxError, SessionError, Traffic, relay::RelayError, session::Accepted};

use super::{
    fault::{Fault, Faulty, Log, Pace, Shared},
    peer::{Peer, Script},
    stack::{Bottom, Counters, Depth, Front, Verifier},
};

/// On whose stream something goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Client,
    Target,
}

/// What is different from one run of a scenario to the next.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub pace: Pace,
    pub depth: Depth,
    pub fault: Option<(Side, usize, Fault)>,
}

impl Plan {
    /// The fault of that side's stream.
    pub fn at(&self, side: Side) -> Option<(usize, Fault)> {
        let fault = self.fault.filter(|(where_, ..)| *where_ == side);
        fault.map(|(_, at, fault)| (at, fault))
    }

    /// Whether everything has to arrive.
    pub fn is_harmless(&self) -> bool {
        self.fault.is_none_or(|(.., fault)| fault.is_harmless())
    }

    /// Octets that may be under way in memory before whoever sends has to wait.
    pub fn capacity(&self) -> usize {
        self.pace.piece.saturating_mul(2).clamp(3, 64 * 1024)
    }
}

/// A session under way.
#[derive(Debug)]
pub struct Session {
    pub client: Peer,
    pub log: Shared<Log>,
    started: Instant,
    running: JoinHandle<(Result<Traffic, BoxError>, Instant)>,
}

/// How a session ended.
#[derive(Debug)]
pub struct Ended {
    pub outcome: Result<Traffic, SessionError>,
    /// By the clock of the runtime, which jumps where there is nothing to do.
    pub took: Duration,
    /// Everything that the client heard.
    pub heard: Vec<u8>,
}

/// The stack's end of the client's connection.
pub type Near = Faulty<DuplexStream>;

impl Session {
    /// A client, and its connection, to be handed to a stack.
    pub fn client(plan: &Plan, script: &Script) -> (Peer, Accepted<Near>, Shared<Log>) {
        let (far, near) = tokio::io::duplex(plan.capacity());
        let (near, log) = Faulty::new(near, plan.pace, plan.at(Side::Client));
        let here = |port: u16| ([127, 0, 0, 1], port).into();
        let accepted = Accepted::new(near, here(50_000), here(1080));
        (Peer::play(far, script.clone()), accepted, log)
    }

    pub fn start(
        plan: &Plan,
        counters: &Counters,
        script: &Script,
        front: Front,
        verifier: Verifier,
        bottom: impl FnOnce(&Shared<Log>) -> Bottom,
    ) -> Self {
        let (client, accepted, log) = Self::client(plan, script);
        let stack = counters.stack(front, plan.depth, verifier, bottom(&log));
        let running = async move {
            let outcome = stack.oneshot(accepted).await;
            (outcome, Instant::now())
        };
        Self {
            client,
            log,
            started: Instant::now(),
            running: tokio::spawn(running),
        }
    }

    /// Waits for the end. What the session took is back at that moment, and the client notices.
    pub async fn ended(self, counters: &Counters) -> Ended {
        // Longer than all limits together: a session that hangs is caught by this.
        let limit = Duration::from_secs(24 * 3600);
        let ended = tokio::time::timeout(limit, self.running).await;
        let (outcome, now) = ended
            .expect("the session hangs")
            .expect("a session never panics");
        assert!(self.log.lock().unwrap().dropped, "client's stream kept");
        counters.assert_zero();
        let outcome =
            outcome.map_err(|error| *error.downcast().expect("sessions fail with SessionError"));
        Ended {
            outcome,
            took: now - self.started,
            heard: self.client.done().await,
        }
    }
}

impl Ended {
    /// What the session says has passed through its tunnel.
    pub fn traffic(&self) -> Option<Traffic> {
        let error = match &self.outcome {
            Ok(traffic) => return Some(*traffic),
            Err(error) => error,
        };
        let mut next: Option<&(dyn Error + 'static)> = Some(error);
        while let Some(error) = next {
            if let Some(error) = found(error) {
                return Some(error.traffic());
            }
            next = error.source();
        }
        None
    }

    /// It was not later than this, give or take the tick of the timer.
    pub fn assert_within(&self, limit: Duration) {
        let limit = limit + Duration::from_millis(10);
        assert!(self.took <= limit, "{:?} of {limit:?}", self.took);
    }
}

/// An `io::Error` does not name what is in it as its source.
fn found<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a RelayError> {
    let inner = error.downcast_ref::<std::io::Error>();
    let inner = inner.and_then(|error| error.get_ref());
    match inner {
        Some(inner) => inner.downcast_ref(),
        None => error.downcast_ref(),
    }
}
