use std::{fmt, sync::Arc, time::Duration};

use super::{Redis, WhileAway, scripts, shared::Unanswered};
use crate::{
    layer::{
        limit::{Levels, Pace, RateStore},
        meter::QuotaKey,
    },
    session::Share,
};

/// Counts the requests of each key over all nodes, by the generic cell rate algorithm and Redis's clock: a [`RateStore`]. Clones
/// are one.
///
/// Each node counts its own as well. While Redis is away a node goes on with its part of the pace: of a hundred a second with
/// four nodes, 25.
pub struct RedisRates<K>(Arc<Rates<K>>);

struct Rates<K> {
    redis: Redis,
    name: Box<str>,
    away: WhileAway,
    local: Levels<K>,
}

impl<K> RedisRates<K>
where
    K: QuotaKey + std::hash::Hash + Eq + Clone + Send + Sync + 'static,
{
    /// Counts for the limit of this name, which all nodes give it.
    pub fn new(redis: &Redis, name: &str) -> Self {
        Self::with(redis, name, WhileAway::default())
    }

    /// Sets what it does while Redis is away. What was cloned before counts for itself.
    #[must_use]
    pub fn while_away(self, away: WhileAway) -> Self {
        Self::with(&self.0.redis, &self.0.name, away)
    }

    fn with(redis: &Redis, name: &str, away: WhileAway) -> Self {
        Self(Arc::new(Rates {
            redis: redis.clone(),
            name: name.into(),
            away,
            local: Levels::new(),
        }))
    }
}

impl<K> Rates<K>
where
    K: QuotaKey + std::hash::Hash + Eq + Clone + Send + Sync + 'static,
{
    fn turn_away(&self, key: &K, pace: Pace) -> Share<Option<Duration>> {
        match self.away {
            WhileAway::Local => {
                Share::Now(self.local.turn(key, pace.part(self.redis.nodes())).err())
            }
            WhileAway::Open => Share::Now(None),
            WhileAway::Closed => Share::refused(WhileAway::refusal("limit requests")),
        }
    }
}

impl<K> RateStore<K> for RedisRates<K>
where
    K: QuotaKey + std::hash::Hash + Eq + Clone + Send + Sync + 'static,
{
    fn turn(&self, key: &K, pace: Pace) -> Share<Option<Duration>> {
        if pace.at_once() == 0 {
            return Share::Now(Some(Duration::MAX));
        }
        if !self.0.redis.is_up() {
            return self.0.turn_away(key, pace);
        }
        let (rates, key) = (Arc::clone(&self.0), key.clone());
        Share::Later(Box::pin(async move {
            let place = rates.redis.place("rate", &rates.name, &key.write());
            // As exact as Redis's clock; slower than one in eleven days is one in eleven days.
            let interval = pace.interval().as_micros().clamp(1, 1_000_000_000_000);
            let mut script = scripts::RATE.prepare_invoke();
            script
                .key(place)
                .arg(u64::try_from(interval).unwrap_or(u64::MAX))
                .arg(pace.at_once());
            match rates.redis.shared.script::<(u64,)>(script).await {
                Ok((0,)) => {
                    // For the time when Redis is away. What it says is not for now.
                    let _ = rates.local.turn(&key, pace);
                    Ok(None)
                }
                Ok((wait,)) => Ok(Some(Duration::from_micros(wait))),
                Err(Unanswered) => match rates.turn_away(&key, pace) {
                    Share::Now(turn) => Ok(turn),
                    Share::Later(later) => later.await,
                },
            }
        }))
    }
}

impl<K> Clone for RedisRates<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K> fmt::Debug for RedisRates<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisRates")
            .field("name", &self.0.name)
            .field("away", &self.0.away)
            .finish_non_exhaustive()
    }
}
