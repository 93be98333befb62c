//! Whether names can be resolved at all, for `/ready`.
//!
//! A lookup that gets no answer says little: anybody can have a domain whose name servers are silent. So it leads to
//! no more than a check, of names of different domains that were resolved before, the first of all clients.

use std::{
    fmt,
    net::IpAddr,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};
use tower::{Service, ServiceExt, util::BoxCloneSyncService};
use tower_socks::{
    BoxError,
    connector::resolve::Lookup,
    error::{LookupError, LookupErrorKind},
    proto::DomainName,
};

/// Names that a check asks for, each of another domain.
const MOST: usize = 4;

/// How long a check takes at most, and how long a lookup may take before somebody wonders.
const LIMIT: Duration = Duration::from_secs(5);

/// Between two checks: a resolver remembers a failure for half of it.
const AGAIN: Duration = Duration::from_secs(10);

type Resolver = BoxCloneSyncService<Lookup, Vec<IpAddr>, BoxError>;

/// What is known of the resolver of names. Clones share it.
#[derive(Clone)]
pub(crate) struct Names(Arc<Shared>);

struct Shared {
    /// For the checks.
    resolver: Mutex<Resolver>,
    /// Whether all names for a check are known: lookups take no lock then.
    is_full: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    known: Vec<DomainName>,
    /// A lookup had no answer since the last check that had one.
    is_suspect: bool,
    /// When the last check began.
    checked: Option<Instant>,
    is_stuck: bool,
}

impl Names {
    pub(crate) fn new<R>(resolver: R) -> Self
    where
        R: Service<Lookup, Response = Vec<IpAddr>, Error = BoxError, Future: Send + 'static>
            + Clone
            + Send
            + Sync
            + 'static,
    {
        Self(Arc::new(Shared {
            resolver: Mutex::new(BoxCloneSyncService::new(resolver)),
            is_full: AtomicBool::new(false),
            state: Mutex::default(),
        }))
    }

    /// Asks this resolver from now on.
    pub(crate) fn ask<R>(&self, resolver: R)
    where
        R: Service<Lookup, Response = Vec<IpAddr>, Error = BoxError, Future: Send + 'static>
            + Clone
            + Send
            + Sync
            + 'static,
    {
        let mut known = self
            .0
            .resolver
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *known = BoxCloneSyncService::new(resolver);
    }

    /// Notes what becomes of the lookups of a resolver.
    pub(crate) fn watch<R>(&self, resolver: R) -> Watched<R> {
        Watched {
            inner: resolver,
            names: self.clone(),
        }
    }

    /// Whether the last check had no answer. Begins another one, in a task of its own, if it is time for it.
    pub(crate) fn are_stuck(&self) -> bool {
        let mut state = self.state();
        let is_due = state.checked.is_none_or(|last| last.elapsed() >= AGAIN);
        if state.is_suspect && is_due && !state.known.is_empty() {
            state.checked = Some(Instant::now());
            tokio::spawn(self.clone().check(state.known.clone()));
        }
        state.is_stuck
    }

    async fn check(self, known: Vec<DomainName>) {
        let mut here = Vec::new();
        let answered = timeout(LIMIT, async {
            // What this machine knows by itself says nothing of name servers.
            let hosts = tokio::fs::read_to_string("/etc/hosts").await;
            let hosts = hosts.unwrap_or_default();
            let resolver = self.resolver();
            let mut lookups = JoinSet::new();
            for name in known {
                let is_here = |word: &str| word.eq_ignore_ascii_case(name.as_str());
                if hosts.split_whitespace().any(is_here) {
                    here.push(name);
                    continue;
                }
                let lookup = resolver.clone().oneshot(Lookup::new(name));
                lookups.spawn(async move { is_answer(&lookup.await) });
            }
            if lookups.is_empty() {
                return None;
            }
            while let Some(is_answered) = lookups.join_next().await {
                if is_answered.is_ok_and(|is_answered| is_answered) {
                    return Some(true);
                }
            }
            Some(false)
        });
        let answered = answered.await.unwrap_or(Some(false));
        let mut state = self.state();
        state.known.retain(|name| !here.contains(name));
        self.note_room(&state);
        let was_stuck = state.is_stuck;
        state.is_stuck = answered == Some(false);
        if answered == Some(true) {
            state.is_suspect = false;
        }
        match (was_stuck, state.is_stuck) {
            (false, true) => tracing::warn!("not ready: no name can be resolved"),
            (true, false) => tracing::info!("ready: names can be resolved again"),
            _ => {}
        }
    }

    fn resolver(&self) -> Resolver {
        let known = self.0.resolver.lock();
        known.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn found(&self, name: DomainName) {
        let mut state = self.state();
        let is_new = |known: &DomainName| domain(known) != domain(&name);
        if state.known.len() < MOST && state.known.iter().all(is_new) {
            state.known.push(name);
            self.note_room(&state);
        }
    }

    fn note_room(&self, state: &State) {
        let is_full = state.known.len() >= MOST;
        self.0.is_full.store(is_full, Ordering::Relaxed);
    }

    fn suspect(&self) {
        self.state().is_suspect = true;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether somebody has answered, be it that there is no such name.
fn is_answer<T>(outcome: &Result<T, BoxError>) -> bool {
    match outcome {
        Ok(_) => true,
        Err(error) => error
            .downcast_ref::<LookupError>()
            .is_some_and(|error| error.kind() == LookupErrorKind::NotFound),
    }
}

/// The last two labels: a client that has a domain must not fill the list with its names.
fn domain(name: &DomainName) -> &str {
    let name = name.as_str();
    let mut dots = name.rmatch_indices('.');
    match dots.nth(1) {
        Some((dot, _)) => name.get(dot + 1..).unwrap_or(name),
        None => name,
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names").finish_non_exhaustive()
    }
}

/// A resolver whose lookups are watched.
#[derive(Clone, Debug)]
pub(crate) struct Watched<R> {
    inner: R,
    names: Names,
}

impl<R, T> Service<Lookup> for Watched<R>
where
    R: Service<Lookup, Response = T, Error = BoxError, Future: Send + 'static>,
{
    type Response = T;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, lookup: Lookup) -> Self::Future {
        let has_room = !self.names.0.is_full.load(Ordering::Relaxed);
        let name = has_room.then(|| lookup.name.clone());
        let wait = Wait {
            names: self.names.clone(),
            started: Instant::now(),
        };
        let lookup = self.inner.call(lookup);
        Box::pin(async move {
            let outcome = lookup.await;
            match (is_answer(&outcome), name) {
                (false, _) => wait.names.suspect(),
                (true, Some(name)) if outcome.is_ok() => wait.names.found(name),
                (true, _) => {}
            }
            outcome
        })
    }
}

/// Waits for a lookup. Dropped, it has its answer, or its client has waited for long enough.
struct Wait {
    names: Names,
    started: Instant,
}

impl Drop for Wait {
    fn drop(&mut self) {
        if self.started.elapsed() >= LIMIT {
            self.names.suspect();
        }
    }
}
