//! Whom an attempt counts for, and what each may do.

use std::{net::IpAddr, time::Duration};

use super::LoginKey;

use crate::{
    admission::{client_network, network_of},
    error::Refusal,
};

/// The settings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) free: u32,
    pub(super) longest_delay: Duration,
    pub(super) per_client: u32,
    pub(super) per_site: u32,
    pub(super) per_name: u32,
}

/// What one of those may do.
#[derive(Clone, Copy)]
pub(super) struct Allowance {
    /// Failures that cost nothing.
    pub(super) free: u32,
    /// Attempts at once, those included that wait.
    pub(super) at_once: u32,
}

/// After so many failures in a row under one name from one site, a quarter of the attempts is allowed.
const PERSISTENT: u32 = 1_000;

impl Bounds {
    pub(super) const DEFAULT: Self = Self {
        free: 3,
        longest_delay: Duration::from_secs(4),
        per_client: 64,
        per_site: 256,
        per_name: 32,
    };

    /// Returns the allowance of one who has failed so often.
    pub(super) fn of(&self, counted: LoginKey, failures: u32) -> Allowance {
        let several = |factor: u32| self.free.saturating_add(1).saturating_mul(factor);
        let (free, at_once) = match counted {
            LoginKey::Client(_) | LoginKey::Nameless(_) => (self.free, self.per_client),
            LoginKey::Site(_) => (several(16), self.per_site),
            LoginKey::NameFromSite(..) if failures >= PERSISTENT => (self.free, self.per_name / 4),
            LoginKey::NameFromSite(..) => (self.free, self.per_name),
            LoginKey::Known(..) => (self.free, self.per_name / 4),
            // Or else anybody could keep anybody out, from somewhere else.
            LoginKey::Name(_) => (several(8), u32::MAX),
        };
        Allowance {
            free,
            at_once: at_once.max(1),
        }
    }
}

/// Those whom one attempt counts for.
pub(super) struct Attempt {
    pub(super) client: Option<IpAddr>,
    /// A hash of the name.
    pub(super) name: u64,
    site: Option<IpAddr>,
}

impl Attempt {
    pub(super) fn new(peer: IpAddr, name: u64) -> Self {
        Self {
            client: client_network(peer),
            name,
            site: network_of(peer, 24, 48),
        }
    }

    /// Lists whom it counts for where the name has not logged in before.
    pub(super) fn stranger(&self) -> Vec<LoginKey> {
        let networks = [
            self.client.map(LoginKey::Client),
            self.site.map(LoginKey::Site),
        ];
        let names = [
            LoginKey::NameFromSite(self.site, self.name),
            LoginKey::Name(self.name),
        ];
        networks.into_iter().flatten().chain(names).collect()
    }

    /// Lists whom it counts for where it has.
    pub(super) fn known(&self) -> Option<Vec<LoginKey>> {
        Some(vec![LoginKey::Known(self.client?, self.name)])
    }
}

/// What an attempt hears for which there is no room.
pub(super) fn refusal(client: Option<IpAddr>) -> Refusal {
    let message = match client {
        Some(client) => {
            format!("too many failed logins from {client}, or under this name: try again later")
        }
        None => "too many failed logins under this name: try again later".to_owned(),
    };
    Refusal::not_allowed(message).with_rule("limit failed logins")
}
