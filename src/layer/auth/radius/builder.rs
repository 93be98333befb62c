use std::{fmt, time::Duration};

use super::{
    super::gate::{Gate, Limits},
    error::InvalidRadius,
    groups_from::GroupsFrom,
    service::{Inner, Radius},
    settings::Settings,
};

/// The port of servers that verify.
const PORT: u16 = 1812;

impl Radius {
    /// Asks these servers, of which the next is asked where one is away: `radius.example`, `radius.example:1812` or
    /// `[2001:db8::1]:1812`. They share the secret.
    pub fn builder<S: Into<String>>(
        servers: impl IntoIterator<Item = S>,
        secret: impl Into<Vec<u8>>,
    ) -> RadiusBuilder {
        RadiusBuilder::new(servers, secret)
    }
}

/// How RADIUS is asked: makes a [`Radius`].
#[derive(Clone)]
#[must_use]
pub struct RadiusBuilder {
    settings: Settings,
    groups: GroupsFrom,
    signed: bool,
    limits: Limits,
}

impl RadiusBuilder {
    pub(super) fn new<S: Into<String>>(
        servers: impl IntoIterator<Item = S>,
        secret: impl Into<Vec<u8>>,
    ) -> Self {
        Self {
            settings: Settings::new(servers, secret),
            groups: GroupsFrom::FilterId,
            signed: true,
            limits: Limits::new(64),
        }
    }

    /// Sets NAS-Identifier, by which servers know this proxy: 1 to 253 octets, `tower-socks` by default.
    pub fn nas_identifier(mut self, name: impl Into<String>) -> Self {
        self.settings.nas_identifier = name.into();
        self
    }

    /// Sets the attribute that has the groups: Filter-Id by default.
    pub const fn groups(mut self, from: GroupsFrom) -> Self {
        self.groups = from;
        self
    }

    /// Takes answers that have no Message-Authenticator, of servers that have not been updated since 2024. **Who can
    /// change packets on the path to such a server gets in with any password** (CVE-2024-3596).
    pub const fn unsigned_answers(mut self, are_taken: bool) -> Self {
        self.signed = !are_taken;
        self
    }

    /// Sets how many logins are verified at once: 64 by default. Each has a socket of its own.
    pub const fn at_once(mut self, most: usize) -> Self {
        self.limits.at_once = most;
        self
    }

    /// Sets how many logins wait for one of these: 512 by default. Each site, client and name has a share of them.
    pub const fn waiting(mut self, most: usize) -> Self {
        self.limits.waiting = most;
        self
    }

    /// Sets how long a login waits for one: 5 s by default.
    pub const fn patience(mut self, longest: Duration) -> Self {
        self.limits.patience = longest;
        self
    }

    /// Sets how long one waits for the answer to each packet: 2 s by default. Servers answer a wrong password late, mostly
    /// after 1 s.
    pub const fn timeout(mut self, longest: Duration) -> Self {
        self.settings.times.timeout = longest;
        self
    }

    /// Sets how often a packet is sent again before the next server is asked: once by default, 10 times at most.
    pub const fn retries(mut self, retries: u32) -> Self {
        self.settings.times.retries = retries;
        self
    }

    /// Makes the verifier. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// No server, one that cannot be, no secret, a NAS-Identifier of another length, or too many retries.
    pub fn build(self) -> Result<Radius, InvalidRadius> {
        Ok(Radius::new(Inner {
            servers: self.settings.servers(PORT)?,
            gate: Gate::new(self.limits).into(),
            nas_identifier: self.settings.nas_identifier,
            groups: self.groups,
            signed: self.signed,
            times: self.settings.times,
        }))
    }
}

/// Without the secret.
impl fmt::Debug for RadiusBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RadiusBuilder")
            .field("servers", &self.settings.servers)
            .field("nas_identifier", &self.settings.nas_identifier)
            .finish_non_exhaustive()
    }
}
