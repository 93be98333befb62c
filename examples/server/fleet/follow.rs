//! What this server tells the others over and over, and what it does because they ask.

use std::time::Instant;

use tokio::{
    sync::watch::Receiver,
    time::{Duration, MissedTickBehavior, interval},
};
use tower_socks::{layer::track::OpenTunnels, redis::LONGEST_NOTE};

use super::InForce;
use crate::{signals::Phase, status::Summary};

/// Between two looks for questions.
const LOOK: Duration = Duration::from_millis(500);

/// Between two notes.
const NOTE: Duration = Duration::from_secs(2);

/// Follows the fleet, for as long as the server serves.
pub(crate) async fn follow(fleet: InForce, open: OpenTunnels, phase: Receiver<Phase>) {
    let started = Instant::now();
    let mut joined = fleet.subscribe();
    let mut often = interval(LOOK);
    often.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told: Option<Instant> = None;
    loop {
        let current = match joined.wait_for(Option::is_some).await {
            Ok(joined) => joined.clone(),
            Err(_) => return,
        };
        often.tick().await;
        let Some(current) = current else { continue };
        for question in current.nodes.questions().await.unwrap_or_default() {
            current.answer(&question, &open).await;
        }
        if told.is_some_and(|told| told.elapsed() < NOTE) || !current.redis.is_up() {
            continue;
        }
        told = Some(Instant::now());
        let draining = *phase.borrow() != Phase::Served;
        let (open, named) = (open.clone(), current.clone());
        // Many tunnels take some milliseconds, which are not those of a thread that serves.
        let note = tokio::task::spawn_blocking(move || {
            let names = (named.name.as_str(), named.page.as_deref());
            Summary::of(&open, started, draining, names).write(LONGEST_NOTE)
        });
        if let Ok(note) = note.await {
            // The log says when Redis is away.
            _ = current.nodes.tell(&note).await;
        }
    }
}
