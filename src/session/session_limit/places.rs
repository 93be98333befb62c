//! The places of live sessions, and who has them.

use std::{
    net::IpAddr,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use crate::{
    admission::{
        Count, Counts, Fullest, LimitEvents, LogBudget, Permits, client_network, count_event,
    },
    session::{Fullness, User, UserOrClient},
};

/// Counts live sessions: what clones of a limit share.
pub(super) struct Places {
    pub(super) permits: Permits,
    pub(super) waiting: AtomicUsize,
    pub(super) clients: Counts<IpAddr>,
    pub(super) users: Counts<User>,
    pub(super) clients_at_limit: LimitEvents<IpAddr>,
    pub(super) users_at_limit: LimitEvents<User>,
    /// Whether all places were taken, and no twentieth is free again.
    full: AtomicBool,
    lines: LogBudget,
}

impl Places {
    pub(super) fn new(most: usize) -> Self {
        Self {
            permits: Permits::new(most),
            waiting: AtomicUsize::new(0),
            clients: Counts::default(),
            users: Counts::default(),
            clients_at_limit: LimitEvents::new("sessions per client"),
            users_at_limit: LimitEvents::new("sessions per user"),
            full: AtomicBool::new(false),
            lines: LogBudget::new(5, Duration::from_secs(10)),
        }
    }

    /// Counts one more session of this client; nothing for one without an address. `None` if it has `most`
    /// already.
    pub(super) fn count_client(
        &self,
        client: IpAddr,
        most: usize,
    ) -> Option<Option<Count<IpAddr>>> {
        let Some(client) = client_network(client) else {
            return Some(None);
        };
        let count = self.clients.enter_below(client, most);
        if count.is_none() {
            self.clients_at_limit.reached(&client);
        }
        count.map(Some)
    }

    /// Notes that a connection found no place: an event for each stay at the limit.
    pub(super) fn note_full(&self) {
        if self.full.swap(true, Ordering::Relaxed) {
            return;
        }
        count_event("sessions", "reached");
        let Some(before) = self.lines.take() else {
            return;
        };
        let (largest, held) = self.largest().unzip();
        let suppressed = before.field();
        tracing::warn!(
            limit = "sessions",
            most = self.permits.most(),
            largest = largest.as_ref().map(tracing::field::debug),
            held,
            suppressed,
            "limit reached: more connections wait, and are closed then"
        );
    }

    /// Returns who has the most, and how many.
    pub(super) fn largest(&self) -> Option<(UserOrClient, usize)> {
        let user = self.users.largest();
        let user = user.map(|(user, held)| (UserOrClient::User(user), held));
        let client = self.clients.largest();
        let client = client.map(|(client, held)| (UserOrClient::Client(client), held));
        // A user says more than its address.
        user.into_iter().chain(client).reduce(
            |user, client| {
                if client.1 > user.1 { client } else { user }
            },
        )
    }

    /// Returns who has the largest share of what a user or a client may have.
    pub(super) fn fullest(&self, most: usize) -> Vec<Fullness<UserOrClient>> {
        let mut fullest = Fullest::new(most);
        for it in self.users.fullest(most) {
            fullest.see(&UserOrClient::User(it.key), it.used, it.most);
        }
        for it in self.clients.fullest(most) {
            fullest.see(&UserOrClient::Client(it.key), it.used, it.most);
        }
        fullest.into_vec()
    }

    /// Gives a place back.
    pub(super) fn leave(&self) {
        self.permits.give_back();
        if self.full.load(Ordering::Relaxed)
            && self.permits.free() > self.permits.most() / 20
            && self.full.swap(false, Ordering::Relaxed)
        {
            count_event("sessions", "released");
            if let Some(before) = self.lines.take() {
                let suppressed = before.field();
                tracing::info!(limit = "sessions", suppressed, "below the limit again");
            }
        }
    }
}
