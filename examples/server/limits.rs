//! `[limits]` of the file: for each user, or for each client address where clients are anonymous.

use std::{
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
    time::Duration,
};

use serde::Deserialize;
use tower_socks::{
    Request,
    layer::{
        key,
        limit::{ConcurrentTunnels, RequestRate},
        meter::{Bandwidth, ByteQuota},
    },
    server::{HandshakeLimit, SessionLimit},
};

/// `[limits]`. What is left out is not limited, but for sessions, handshakes,
/// associations and BINDs.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// Live sessions of all clients together.
    sessions: NonZeroUsize,
    /// A share of them each, unless the file says otherwise.
    sessions_per_client: Option<NonZeroUsize>,
    sessions_per_user: Option<NonZeroUsize>,
    /// Connections of one client in the handshake.
    unauthenticated_per_client: NonZeroUsize,
    tunnels_per_user: Option<NonZeroUsize>,
    /// Associations of one user, or client.
    pub(crate) associations_per_user: NonZeroUsize,
    /// What waits for a client of UDP over TCP that does not read.
    pub(crate) backlog_bytes_per_association: NonZeroUsize,
    /// BINDs of one user, or client.
    pub(crate) binds_per_user: NonZeroUsize,
    requests_per_second: Option<NonZeroU32>,
    upload_bytes_per_second: Option<NonZeroU64>,
    download_bytes_per_second: Option<NonZeroU64>,
    bytes_per_day: Option<NonZeroU64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: NonZeroUsize::MIN.saturating_add(9_999),
            sessions_per_client: None,
            sessions_per_user: None,
            unauthenticated_per_client: NonZeroUsize::MIN.saturating_add(255),
            tunnels_per_user: None,
            associations_per_user: NonZeroUsize::MIN.saturating_add(63),
            backlog_bytes_per_association: NonZeroUsize::MIN.saturating_add(256 * 1024 - 1),
            binds_per_user: NonZeroUsize::MIN.saturating_add(63),
            requests_per_second: None,
            upload_bytes_per_second: None,
            download_bytes_per_second: None,
            bytes_per_day: None,
        }
    }
}

/// Counts by user, or by the client's address, if there is a limit; `None` costs nothing.
fn key_if(limited: bool) -> impl key::KeyExtractor<Key = key::UserOrClient> {
    move |request: &Request| limited.then(|| key::user_or_client(request)).flatten()
}

impl Limits {
    /// Counts the sessions of all listeners.
    pub(crate) fn sessions(&self) -> SessionLimit {
        let mut limit = SessionLimit::new(self.sessions.get());
        if let Some(most) = self.sessions_per_client {
            limit = limit.per_client(most.get());
        }
        if let Some(most) = self.sessions_per_user {
            limit = limit.per_user(most.get());
        }
        limit
    }

    /// Counts the connections in the handshake at all listeners.
    pub(crate) fn handshakes(&self) -> HandshakeLimit {
        HandshakeLimit::per_client(self.unauthenticated_per_client.get())
    }

    pub(crate) fn tunnels(
        &self,
    ) -> ConcurrentTunnels<impl key::KeyExtractor<Key = key::UserOrClient> + use<>> {
        let most = self.tunnels_per_user;
        ConcurrentTunnels::new(most.map_or(0, NonZeroUsize::get), key_if(most.is_some()))
    }

    pub(crate) fn requests(
        &self,
    ) -> RequestRate<impl key::KeyExtractor<Key = key::UserOrClient> + use<>> {
        let most = self.requests_per_second;
        RequestRate::per_second(most.unwrap_or(NonZeroU32::MIN), key_if(most.is_some()))
    }

    pub(crate) fn bandwidth(
        &self,
    ) -> Bandwidth<impl key::KeyExtractor<Key = key::UserOrClient> + use<>> {
        let bandwidth = Bandwidth::new(key::user_or_client);
        let bandwidth = match self.upload_bytes_per_second {
            Some(rate) => bandwidth.up(rate.get()),
            None => bandwidth,
        };
        match self.download_bytes_per_second {
            Some(rate) => bandwidth.down(rate.get()),
            None => bandwidth,
        }
    }

    pub(crate) fn quota(
        &self,
    ) -> ByteQuota<impl key::KeyExtractor<Key = key::UserOrClient> + use<>> {
        let bytes = self.bytes_per_day;
        let day = Duration::from_secs(24 * 3600);
        ByteQuota::new(
            bytes.map_or(0, NonZeroU64::get),
            day,
            key_if(bytes.is_some()),
        )
    }
}
