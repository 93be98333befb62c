use std::{fmt, time::Duration};

use tokio::sync::Notify;

use super::{
    super::{
        builder::{check, servers},
        error::InvalidRadius,
        server::Times,
    },
    Accounting, Inner,
    lanes::Lanes,
};

/// The port of servers that account.
const PORT: u16 = 1813;

/// How servers are told: makes an [`Accounting`].
#[derive(Clone)]
#[must_use]
pub struct AccountingBuilder {
    servers: Vec<String>,
    secret: Vec<u8>,
    nas_identifier: String,
    interim: Option<Duration>,
    queue: usize,
    times: Times,
}

impl AccountingBuilder {
    pub(super) fn new<S: Into<String>>(
        servers: impl IntoIterator<Item = S>,
        secret: impl Into<Vec<u8>>,
    ) -> Self {
        Self {
            servers: servers.into_iter().map(Into::into).collect(),
            secret: secret.into(),
            nas_identifier: "tower-socks".into(),
            interim: Some(Duration::from_secs(5 * 60)),
            queue: 65_536,
            times: Times::default(),
        }
    }

    /// Sets NAS-Identifier, by which servers know this proxy: 1 to 253 octets, `tower-socks` by default.
    pub fn nas_identifier(mut self, name: impl Into<String>) -> Self {
        self.nas_identifier = name.into();
        self
    }

    /// Sets how often servers hear of a tunnel while it lasts: each 5 min by default, `None` for never. What the server
    /// has stated for a user by Acct-Interim-Interval goes before it, within 60 s to 24 h.
    pub const fn interim(mut self, interval: Option<Duration>) -> Self {
        self.interim = interval;
        self
    }

    /// Sets how many records wait for a server: 65,536 by default, each of some 400 octets.
    pub const fn queue(mut self, most: usize) -> Self {
        self.queue = most;
        self
    }

    /// Sets how long one waits for the answer to each packet: 2 s by default.
    pub const fn timeout(mut self, longest: Duration) -> Self {
        self.times.timeout = longest;
        self
    }

    /// Sets how often a packet is sent again before the next server is told: once by default, 10 times at most.
    pub const fn retries(mut self, retries: u32) -> Self {
        self.times.retries = retries;
        self
    }

    /// Makes the sink. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// No server, one that cannot be, no secret, a NAS-Identifier of another length, or too many retries.
    pub fn build(self) -> Result<Accounting, InvalidRadius> {
        check(&self.nas_identifier, self.times)?;
        Ok(Accounting::new(Inner {
            servers: servers(&self.servers, PORT, &self.secret)?,
            nas_identifier: self.nas_identifier,
            interim: self.interim,
            times: self.times,
            lanes: Lanes::new(self.queue.max(1)),
            changed: Notify::new(),
            empty: Notify::new(),
            is_over: false.into(),
        }))
    }
}

/// Without the secret.
impl fmt::Debug for AccountingBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountingBuilder")
            .field("servers", &self.servers)
            .field("nas_identifier", &self.nas_identifier)
            .finish_non_exhaustive()
    }
}
