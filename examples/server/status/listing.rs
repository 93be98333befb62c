//! All open tunnels with their rates, listed once for everybody who asks at about the same time.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tower_socks::{
    layer::track::{OpenTunnel, OpenTunnels},
    relay::Traffic,
};

/// For how long a listing is good enough.
const FRESH: Duration = Duration::from_secs(1);

/// The time over which a rate is taken: at least, and at most.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(15);

/// An open tunnel, and octets a second by now.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) tunnel: OpenTunnel,
    pub(super) rate: Option<Traffic>,
}

/// Lists open tunnels.
#[derive(Debug, Default)]
pub(super) struct Listing(Mutex<Option<Last>>);

#[derive(Debug)]
struct Last {
    at: Instant,
    is_outdated: bool,
    /// By their numbers, and so by their age.
    listed: Arc<[Listed]>,
}

impl Listing {
    /// Returns open tunnels, oldest first, as they were a second ago at most.
    pub(super) fn get(&self, open: &OpenTunnels) -> Arc<[Listed]> {
        // Others that ask meanwhile wait for the same.
        let mut last = self.lock();
        if let Some(last) = &*last
            && last.at.elapsed() < FRESH
            && !last.is_outdated
        {
            return Arc::clone(&last.listed);
        }
        let now = Instant::now();
        let listed = list(open, last.as_ref(), now);
        *last = Some(Last {
            at: now,
            is_outdated: false,
            listed: Arc::clone(&listed),
        });
        listed
    }

    /// Forgets what nobody has asked for in a while: many tunnels take some memory.
    pub(super) fn tidy(&self) {
        let mut last = self.lock();
        if last
            .as_ref()
            .is_some_and(|last| last.at.elapsed() > LONGEST)
        {
            *last = None;
        }
    }

    /// Lists them anew at the next question, since some may be closed.
    pub(super) fn outdate(&self) {
        if let Some(last) = &mut *self.lock() {
            last.is_outdated = true;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Last>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn list(open: &OpenTunnels, last: Option<&Last>, now: Instant) -> Arc<[Listed]> {
    let last = last.map(|last| (now.saturating_duration_since(last.at), &*last.listed));
    let last = last.filter(|(since, _)| *since <= LONGEST);
    let rate = |tunnel: &OpenTunnel| {
        let before = last.and_then(|(since, listed)| {
            let at = listed.binary_search_by_key(&tunnel.id, |listed| listed.tunnel.id);
            Some((since, listed.get(at.ok()?)?))
        });
        match before {
            Some((since, before)) if since < SHORTEST => before.rate,
            Some((since, before)) => Some(per_second(tunnel.traffic, before.tunnel.traffic, since)),
            // It is young: all that it has moved is of now.
            None if tunnel.age <= LONGEST => {
                let age = tunnel.age.max(Duration::from_secs(1));
                Some(per_second(tunnel.traffic, Traffic::default(), age))
            }
            None => None,
        }
    };
    let listed = open.list().into_iter().map(|tunnel| Listed {
        rate: rate(&tunnel),
        tunnel,
    });
    listed.collect()
}

fn per_second(now: Traffic, before: Traffic, time: Duration) -> Traffic {
    let rate = |now: u64, before: u64| {
        let nanos = u128::from(now.saturating_sub(before)) * 1_000_000_000;
        let rate = nanos.checked_div(time.as_nanos()).unwrap_or(0);
        u64::try_from(rate).unwrap_or(u64::MAX)
    };
    Traffic {
        up: rate(now.up, before.up),
        down: rate(now.down, before.down),
    }
}
