//! What the file says.

use std::{fs, path::PathBuf, time::Duration};

use serde::Deserialize;
use tower_socks::redis::Redis;

use super::{Stated, users::FleetUsers, while_away::WhileAway};
use crate::{
    directories::secret::{self, Secret},
    timeouts::Span,
};

/// `[redis]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Table {
    /// It may have a password.
    url: Option<Secret>,
    url_file: Option<PathBuf>,
    #[serde(default = "prefix")]
    prefix: String,
    #[serde(default = "timeout")]
    timeout: Span,
    #[serde(default = "lease")]
    lease: Span,
    /// That of the host, if it is left out.
    node_name: Option<String>,
    /// Where others find the page.
    page: Option<String>,
    #[serde(default)]
    while_away: WhileAway,
    /// Whether users of this server are those in Redis.
    #[serde(default)]
    accounts: bool,
    /// All servers have it, and nobody else.
    login_secret: Option<Secret>,
    login_secret_file: Option<PathBuf>,
}

fn prefix() -> String {
    "tower-socks".into()
}

const fn timeout() -> Span {
    Span(Duration::from_millis(250))
}

const fn lease() -> Span {
    Span(Duration::from_secs(30))
}

/// A minute is more than anybody waits for a request, and a day more than a crash should cost.
const TIMEOUTS: [Duration; 2] = [Duration::from_millis(1), Duration::from_secs(60)];
const LEASES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(24 * 3600)];

/// Octets of a prefix, and of the name of a node.
const LONGEST: usize = 64;

/// Octets of a secret, at least.
const SECRET: usize = 16;

impl Table {
    /// Whether the file has an address, which may have a password in it.
    pub(crate) const fn has_secret(&self) -> bool {
        self.url.is_some() || self.login_secret.is_some()
    }

    /// Whether it knows users.
    pub(crate) const fn is_directory(&self) -> bool {
        self.accounts
    }

    /// Checks it. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// What is wrong with it, or with the file that it names.
    pub(crate) fn stated(&self) -> Result<Stated, String> {
        let fail = |problem: &str| format!("redis: {problem}");
        let url = secret::load(self.url.as_ref(), self.url_file.as_deref())
            .map_err(|problem| format!("redis, url: {problem}"))?;
        let url = url.ok_or_else(|| fail("`url` or `url_file` says where it is"))?;
        is_within("timeout", self.timeout, TIMEOUTS)?;
        is_within("lease", self.lease, LEASES)?;
        if !is_word(&self.prefix) || self.prefix.contains(['{', '}']) {
            return Err(format!(
                "redis, prefix: 1 to {LONGEST} letters, digits and signs, without braces"
            ));
        }
        let name = match &self.node_name {
            Some(name) if !is_word(name) => {
                return Err(format!(
                    "redis, node_name: 1 to {LONGEST} letters, digits and signs, without spaces"
                ));
            }
            Some(name) => name.clone(),
            None => host().unwrap_or_else(|| "-".to_owned()),
        };
        if let Some(page) = &self.page {
            let is_url = page.starts_with("http://") || page.starts_with("https://");
            let is_printable = page.bytes().all(|octet| octet.is_ascii_graphic());
            if !is_url || !is_printable || page.len() > 200 {
                return Err(
                    "redis, page: an address as http://proxy-1:9090/, of 200 octets at most".into(),
                );
            }
        }
        let secret = self.login_secret.as_ref();
        let login_secret = secret::load(secret, self.login_secret_file.as_deref())
            .map_err(|problem| format!("redis, login_secret: {problem}"))?;
        if login_secret
            .as_ref()
            .is_some_and(|secret| secret.len() < SECRET)
        {
            return Err(format!(
                "redis, login_secret: at least {SECRET} octets: make them by `openssl rand -hex 32`"
            ));
        }
        let builder = Redis::builder(&url)
            .map_err(|problem| format!("redis, url: {problem}"))?
            .prefix(self.prefix.as_str())
            .timeout(self.timeout.0)
            .lease(self.lease.0);
        Ok(Stated {
            builder,
            text: format!("{self:?}{url}{name}{login_secret:?}"),
            prefix: self.prefix.clone(),
            name,
            page: self.page.clone(),
            away: self.while_away.each(),
            login_secret,
            users: self.accounts.then(FleetUsers::default),
        })
    }
}

fn is_within(field: &str, span: Span, [least, most]: [Duration; 2]) -> Result<(), String> {
    match (least..=most).contains(&span.0) {
        true => Ok(()),
        false => Err(format!("redis, {field}: from {least:?} to {most:?}")),
    }
}

fn is_word(text: &str) -> bool {
    let is_short = (1..=LONGEST).contains(&text.len());
    is_short && text.bytes().all(|octet| octet.is_ascii_graphic())
}

/// The name of this machine.
fn host() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = name.trim();
    is_word(name).then(|| name.to_owned())
}
