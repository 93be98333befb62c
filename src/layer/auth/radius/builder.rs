use std::{fmt, time::Duration};

use super::{
    super::gate::Gate,
    error::InvalidRadius,
    groups_from::GroupsFrom,
    packet::LONGEST_VALUE,
    place::Place,
    server::{Server, Times},
    service::{Inner, Radius},
};

/// The port of servers that verify.
const PORT: u16 = 1812;

/// How often one asks again at most.
const MOST_RETRIES: u32 = 10;

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
    servers: Vec<String>,
    secret: Vec<u8>,
    nas_identifier: String,
    groups: GroupsFrom,
    signed: bool,
    at_once: usize,
    waiting: usize,
    patience: Duration,
    times: Times,
}

impl RadiusBuilder {
    pub(super) fn new<S: Into<String>>(
        servers: impl IntoIterator<Item = S>,
        secret: impl Into<Vec<u8>>,
    ) -> Self {
        Self {
            servers: servers.into_iter().map(Into::into).collect(),
            secret: secret.into(),
            nas_identifier: "tower-socks".into(),
            groups: GroupsFrom::FilterId,
            signed: true,
            at_once: 64,
            waiting: 512,
            patience: Duration::from_secs(5),
            times: Times::default(),
        }
    }

    /// Sets NAS-Identifier, by which servers know this proxy: 1 to 253 octets, `tower-socks` by default.
    pub fn nas_identifier(mut self, name: impl Into<String>) -> Self {
        self.nas_identifier = name.into();
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
        self.at_once = most;
        self
    }

    /// Sets how many logins wait for one of these: 512 by default. Each site, client and name has a share of them.
    pub const fn waiting(mut self, most: usize) -> Self {
        self.waiting = most;
        self
    }

    /// Sets how long a login waits for one: 5 s by default.
    pub const fn patience(mut self, longest: Duration) -> Self {
        self.patience = longest;
        self
    }

    /// Sets how long one waits for the answer to each packet: 2 s by default. Servers answer a wrong password late, mostly
    /// after 1 s.
    pub const fn timeout(mut self, longest: Duration) -> Self {
        self.times.timeout = longest;
        self
    }

    /// Sets how often a packet is sent again before the next server is asked: once by default, 10 times at most.
    pub const fn retries(mut self, retries: u32) -> Self {
        self.times.retries = retries;
        self
    }

    /// Makes the verifier. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// No server, one that cannot be, no secret, a NAS-Identifier of another length, or too many retries.
    pub fn build(self) -> Result<Radius, InvalidRadius> {
        let servers = servers(&self.servers, PORT, &self.secret)?;
        check(&self.nas_identifier, self.times)?;
        Ok(Radius::new(Inner {
            servers,
            gate: Gate::new(self.at_once, self.waiting, self.patience).into(),
            nas_identifier: self.nas_identifier,
            groups: self.groups,
            signed: self.signed,
            times: self.times,
        }))
    }
}

/// Reads servers that share a secret.
pub(super) fn servers(
    stated: &[String],
    port: u16,
    secret: &[u8],
) -> Result<Vec<Server>, InvalidRadius> {
    if stated.is_empty() {
        return Err(InvalidRadius("there is no server".into()));
    }
    if secret.is_empty() {
        return Err(InvalidRadius("the secret is empty".into()));
    }
    let places = stated.iter().map(|stated| Place::new(stated, port));
    let all = places.map(|place| place.map(|place| Server::new(place, secret)));
    all.collect()
}

pub(super) fn check(nas_identifier: &str, times: Times) -> Result<(), InvalidRadius> {
    if !(1..=LONGEST_VALUE).contains(&nas_identifier.len()) {
        return Err(InvalidRadius("NAS-Identifier has 1 to 253 octets".into()));
    }
    if times.retries > MOST_RETRIES || times.timeout.is_zero() {
        return Err(InvalidRadius(format!(
            "one waits for some time for an answer, and asks again {MOST_RETRIES} times at most"
        )));
    }
    Ok(())
}

/// Without the secret.
impl fmt::Debug for RadiusBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RadiusBuilder")
            .field("servers", &self.servers)
            .field("nas_identifier", &self.nas_identifier)
            .finish_non_exhaustive()
    }
}
