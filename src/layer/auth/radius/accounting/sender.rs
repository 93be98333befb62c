//! What sends the queue.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::time::{Instant, sleep};

use super::{
    super::{
        attribute::ACCT_DELAY_TIME,
        error::Failure,
        packet::ACCOUNTING_RESPONSE,
        server::{Expected, Sent, random},
    },
    Inner,
    records::Told,
};

/// How long one waits where no server has answered.
const PAUSE: Duration = Duration::from_secs(1);

/// How often a server may ignore a record that answers others: then there is something about it.
const MOST_IGNORED: u32 = 5;

/// For how many seconds a record is sent again.
const KEPT: u32 = 24 * 60 * 60;

/// For how many, where nothing comes any more.
const KEPT_IN_THE_END: u32 = 10 * 60;

/// Sends what comes, in each lane one after the other, until nothing comes any more.
pub(super) async fn run(inner: Arc<Inner>) {
    // Of one that was dropped.
    inner.lanes.restart();
    let mut under_way = FuturesUnordered::new();
    loop {
        let changed = inner.changed.notified();
        let mut next = inner.lanes.next();
        // The proxy begins before all that it does.
        if let Some(at) = next.iter().position(|(_, told)| told.is_of_nas()) {
            let (lane, told) = next.swap_remove(at);
            deliver(&inner, &told).await;
            next.extend(inner.lanes.sent(lane).map(|told| (lane, told)));
        }
        for (lane, told) in next {
            under_way.push(empty(&inner, lane, told));
        }
        if inner.lanes.len() == 0 {
            inner.empty.notify_waiters();
            if inner.is_over.load(Ordering::Acquire) {
                return;
            }
        }
        tokio::select! {
            () = changed => {}
            Some(()) = under_way.next() => {}
        }
    }
}

/// Sends what is in a lane.
async fn empty(inner: &Inner, lane: usize, first: Arc<Told>) {
    let mut next = Some(first);
    while let Some(told) = next {
        deliver(inner, &told).await;
        next = inner.lanes.sent(lane);
    }
}

/// Sends one until a server has it, or for as long as it is worth it.
async fn deliver(inner: &Inner, told: &Told) {
    let mut ignored = 0;
    loop {
        match try_to_deliver(inner, told).await {
            Tried::Delivered => return,
            Tried::Ignored => ignored += 1,
            Tried::Away => {}
        }
        let kept = match inner.is_over.load(Ordering::Acquire) {
            true => KEPT_IN_THE_END,
            false => KEPT,
        };
        if ignored >= MOST_IGNORED || told.delay() >= kept {
            inner.lanes.lose();
            return;
        }
        sleep(PAUSE).await;
    }
}

async fn try_to_deliver(inner: &Inner, told: &Told) -> Tried {
    let expected = Expected {
        codes: &[ACCOUNTING_RESPONSE],
        // Its authenticator is a signature of all of it.
        signed: false,
    };
    let mut tried = Tried::Away;
    for server in &inner.servers {
        // Another delay is another packet (RFC 2866 section 3).
        let packet = || {
            let mut attributes = told.attributes.clone();
            attributes.add_number(ACCT_DELAY_TIME, told.delay());
            let [identifier] = random()?;
            let (octets, authenticator) = attributes.accounting_request(identifier, &server.secret);
            Ok(Sent {
                octets,
                identifier,
                authenticator,
            })
        };
        let began = Instant::now();
        match server.ask(inner.times, expected, packet).await {
            Ok(_) => return Tried::Delivered,
            Err(Failure::Away) => {}
            Err(failure) => {
                tracing::debug!("RADIUS server {}: {failure}", server.place);
                if server.has_answered_since(began) {
                    tried = Tried::Ignored;
                }
            }
        }
    }
    tried
}

/// What became of a record.
enum Tried {
    Delivered,
    /// A server that answers others has not answered this.
    Ignored,
    Away,
}
