//! What is stated of servers of RADIUS, whether they verify or account.

use super::{
    error::InvalidRadius,
    packet::LONGEST_VALUE,
    place::Place,
    server::{Server, Times},
};

/// How often one asks again at most.
const MOST_RETRIES: u32 = 10;

/// Servers that share a secret, and how they are asked.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) servers: Vec<String>,
    secret: Vec<u8>,
    pub(super) nas_identifier: String,
    pub(super) times: Times,
}

impl Settings {
    pub(super) fn new<S: Into<String>>(
        servers: impl IntoIterator<Item = S>,
        secret: impl Into<Vec<u8>>,
    ) -> Self {
        Self {
            servers: servers.into_iter().map(Into::into).collect(),
            secret: secret.into(),
            nas_identifier: "tower-socks".into(),
            times: Times::default(),
        }
    }

    /// Checks them all, and makes the servers. `port` is that of one without.
    pub(super) fn servers(&self, port: u16) -> Result<Vec<Server>, InvalidRadius> {
        if self.servers.is_empty() {
            return Err(InvalidRadius("there is no server".into()));
        }
        if self.secret.is_empty() {
            return Err(InvalidRadius("the secret is empty".into()));
        }
        if !(1..=LONGEST_VALUE).contains(&self.nas_identifier.len()) {
            return Err(InvalidRadius("NAS-Identifier has 1 to 253 octets".into()));
        }
        if self.times.retries > MOST_RETRIES || self.times.timeout.is_zero() {
            return Err(InvalidRadius(format!(
                "one waits for some time for an answer, and asks again {MOST_RETRIES} times at most"
            )));
        }
        let places = self.servers.iter().map(|stated| Place::new(stated, port));
        let all = places.map(|place| place.map(|place| Server::new(place, &self.secret)));
        all.collect()
    }
}
