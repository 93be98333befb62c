//! How many lines the ends of sessions write to the log.

use std::{
    collections::HashMap,
    fmt,
    net::{IpAddr, SocketAddr},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    admission::{LogBudget, client_network},
    error::{Fault, SessionError, Step, error_code, is_upstream_down},
    session::Identity,
};

/// The target of lines and of the span: operators filter by it.
pub(super) const TARGET: &str = "tower_socks::session";

/// How often it is said how many lines were left out.
const SUMMARY: Duration = Duration::from_secs(10);

/// Keys of one kind that have a budget of their own. The rest shares that of the kind.
const MOST: usize = 1024;

/// How often keys are forgotten at most, while there are too many.
const FORGET: Duration = Duration::from_secs(1);

/// Bounds the lines of sessions that failed. Clients without a name can fail as often as they like, so
/// each of their networks has a budget, and all of them together. What is not the client's doing, an
/// upstream that is down or our own failure, is the same for all sessions: a few lines tell it.
/// Otherwise a client with a name has a line for each session.
pub(crate) struct Lines {
    kinds: [Kind; 7],
    /// Whether lines were left out that nothing has been said of.
    pending: AtomicBool,
}

impl Lines {
    pub(crate) fn new() -> Self {
        // Strangers: each network, and all of them together.
        let strangers = |outcome| {
            let each = Budget(20, Duration::from_secs(1));
            Kind::new(outcome, each, Budget(100, Duration::from_millis(100)))
        };
        Self {
            kinds: [
                strangers("login refused"),
                strangers("refused"),
                strangers("unreachable"),
                strangers("upstream"),
                strangers("broken"),
                // The upstream has a line of its own, when it goes down and when it works again.
                Kind::new("upstream down", Budget(5, SUMMARY), Budget(5, SUMMARY)),
                // Each cause.
                Kind::new(
                    "failed",
                    Budget(1, SUMMARY),
                    Budget(10, Duration::from_secs(1)),
                ),
            ],
            pending: AtomicBool::new(false),
        }
    }

    /// Returns whether the session has its line, or is one of those that are only counted.
    pub(crate) fn admit(&self, error: &SessionError, party: Party) -> bool {
        let [logins, refused, unreachable, upstream, broken, down, failed] = &self.kinds;
        let kind = match (error.fault(), error.step()) {
            (Fault::Server, step) => {
                return self.take(failed, Key::Cause(step, error_code(error)));
            }
            (Fault::Upstream, step) if is_upstream_down(error) => {
                return self.take(down, Key::Cause(step, None));
            }
            (_, Step::Relay) => broken,
            // At debug.
            (Fault::Client, _) => return true,
            (Fault::Refused, Step::Authentication) => logins,
            (Fault::Refused, _) => refused,
            (Fault::Target, _) => unreachable,
            (Fault::Upstream, _) => upstream,
        };
        match party {
            Party::Stranger(network) => self.take(kind, Key::Network(network)),
            Party::User => true,
        }
    }

    fn take(&self, kind: &Kind, key: Key) -> bool {
        let admitted = kind.take(key);
        if !admitted {
            self.pending.store(true, Ordering::Relaxed);
        }
        admitted
    }

    /// Says how many lines were left out, where that was some time ago. Costs nothing otherwise.
    pub(crate) fn summarise(&self) {
        if self.pending.load(Ordering::Relaxed) {
            self.tell(SUMMARY);
        }
    }

    fn tell(&self, after: Duration) {
        self.pending.store(false, Ordering::Relaxed);
        for kind in &self.kinds {
            if kind.tell(after) {
                self.pending.store(true, Ordering::Relaxed);
            }
        }
    }
}

/// What was left out last is said when the server ends.
impl Drop for Lines {
    fn drop(&mut self) {
        self.tell(Duration::ZERO);
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").finish_non_exhaustive()
    }
}

/// Who a session was with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Party {
    /// A client with a name.
    User,
    /// Any other, by its network, if it has one.
    Stranger(Option<IpAddr>),
}

impl Party {
    /// A client that nobody has identified.
    pub(crate) fn stranger(peer: SocketAddr) -> Self {
        Self::Stranger(client_network(peer.ip()))
    }

    /// A client with this identity.
    pub(crate) fn identified(self, identity: &Identity) -> Self {
        match identity.name() {
            Some(_) => Self::User,
            None => self,
        }
    }
}

/// What a budget is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    /// The network of clients; `None` for those of a Unix socket.
    Network(Option<IpAddr>),
    /// What failed, and the system's code for it.
    Cause(Step, Option<i32>),
}

/// Lines at once, and the interval of those that follow.
#[derive(Clone, Copy)]
struct Budget(u32, Duration);

impl Budget {
    const fn start(self) -> LogBudget {
        LogBudget::new(self.0, self.1)
    }
}

/// One kind of line.
struct Kind {
    outcome: &'static str,
    each: Budget,
    state: Mutex<State>,
}

struct State {
    each: HashMap<Key, LogBudget>,
    all: LogBudget,
    /// When keys are forgotten next that have all of their budget.
    full_until: Option<Instant>,
    /// Lines that were left out, and since when.
    left_out: Option<(u64, Instant)>,
}

impl Kind {
    fn new(outcome: &'static str, each: Budget, all: Budget) -> Self {
        Self {
            outcome,
            each,
            state: Mutex::new(State {
                each: HashMap::new(),
                all: all.start(),
                full_until: None,
                left_out: None,
            }),
        }
    }

    fn take(&self, key: Key) -> bool {
        let mut state = self.lock();
        let State {
            each,
            all,
            full_until,
            left_out,
        } = &mut *state;
        let now = Instant::now();
        if each.len() >= MOST && full_until.is_none_or(|until| until <= now) {
            each.retain(|_, budget| !budget.is_paid());
            *full_until = now.checked_add(FORGET);
        }
        let own = match each.get(&key) {
            Some(budget) => budget.take().is_some(),
            None if each.len() < MOST => {
                let budget = each.entry(key).or_insert_with(|| self.each.start());
                budget.take().is_some()
            }
            None => true,
        };
        let admitted = own && all.take().is_some();
        if !admitted {
            let (count, _) = left_out.get_or_insert((0, now));
            *count = count.saturating_add(1);
        }
        admitted
    }

    /// Returns whether there is something to say later.
    fn tell(&self, after: Duration) -> bool {
        let mut state = self.lock();
        let Some((suppressed, since)) = state.left_out else {
            return false;
        };
        let within = since.elapsed();
        if within < after {
            return true;
        }
        state.left_out = None;
        drop(state);
        tracing::info!(
            target: TARGET,
            outcome = self.outcome,
            suppressed,
            ?within,
            "more sessions ended like those before"
        );
        false
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
