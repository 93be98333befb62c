//! `upstream` and `[upstreams]` as the file has them.

use std::{collections::BTreeMap, fmt, num::NonZeroU32, path::PathBuf, time::Duration};

use serde::{Deserialize, Deserializer, de};
use tower_socks::{
    connector::{balance::By, failover::Probes},
    proto::Address,
};

use super::{chain::Chain, datagrams::UpstreamUdp};
use crate::{outgoing, timeouts::Span};

/// `upstream`: where everything goes that no route says otherwise of.
#[derive(Clone, Debug)]
pub(crate) enum Rest {
    /// `"direct"`, `"refuse"` or one of `[upstreams]`.
    Name(String),
    Chain(Chain),
}

/// A name of `[upstreams]`: also of metrics, and in lines of the log.
pub(super) fn is_name(text: &str) -> bool {
    let is_fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !text.is_empty() && text.len() <= 64 && text.chars().all(is_fit)
}

impl<'de> Deserialize<'de> for Rest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RestVisitor)
    }
}

struct RestVisitor;

impl<'de> de::Visitor<'de> for RestVisitor {
    type Value = Rest;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the URL of a proxy, a list of at least one, or a name of [upstreams]")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Rest, E> {
        if is_name(text) {
            return Ok(Rest::Name(text.to_owned()));
        }
        Chain::deserialize(de::value::StrDeserializer::new(text)).map(Rest::Chain)
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, urls: A) -> Result<Rest, A::Error> {
        Chain::deserialize(de::value::SeqAccessDeserializer::new(urls)).map(Rest::Chain)
    }
}

/// One of `[upstreams]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stated {
    pub(super) url: Option<Chain>,
    pub(super) udp: Option<UpstreamUdp>,
    #[serde(default)]
    pub(super) bind: bool,
    /// Whose certificates it has to have; the platform's, if it is left out.
    pub(super) authorities: Option<PathBuf>,
    pub(super) outgoing: Option<outgoing::Stated>,
    pub(super) probe: Option<Probe>,
    pub(super) failover: Option<Vec<String>>,
    pub(super) balance: Option<Vec<String>>,
    pub(super) by: Option<BalanceBy>,
    pub(super) weights: Option<BTreeMap<String, NonZeroU32>>,
}

/// `by`.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BalanceBy {
    #[default]
    Load,
    Client,
    User,
    Target,
}

impl From<BalanceBy> for By {
    fn from(by: BalanceBy) -> Self {
        match by {
            BalanceBy::Load => Self::Load,
            BalanceBy::Client => Self::Client,
            BalanceBy::User => Self::User,
            BalanceBy::Target => Self::Target,
        }
    }
}

impl fmt::Display for BalanceBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Load => "load",
            Self::Client => "client",
            Self::User => "user",
            Self::Target => "target",
        })
    }
}

/// `probe`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Probe {
    every: Span,
    timeout: Span,
    pub(super) target: Option<ProbeTarget>,
    rise: NonZeroU32,
    fall: NonZeroU32,
}

impl Default for Probe {
    fn default() -> Self {
        Self {
            every: Span(Duration::from_secs(10)),
            timeout: Span(Duration::from_secs(3)),
            target: None,
            rise: const { NonZeroU32::new(2).unwrap() },
            fall: const { NonZeroU32::new(3).unwrap() },
        }
    }
}

/// `HOST:PORT`.
#[derive(Clone, Debug)]
pub(crate) struct ProbeTarget(pub(super) Address);

impl<'de> Deserialize<'de> for ProbeTarget {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let target = text.parse::<Address>().ok();
        target
            .filter(|target| target.port() != 0)
            .map(Self)
            .ok_or_else(|| {
                de::Error::custom(format_args!(
                    "`{text}` is no target: write it like \"example.com:443\""
                ))
            })
    }
}

impl Probe {
    /// Checks the numbers.
    pub(super) fn check(&self) -> Result<(), String> {
        let hour = Duration::from_secs(3600);
        if self.every.0 < Duration::from_millis(100) || self.every.0 > hour {
            return Err("every: probes are sent every 100 ms to every hour".into());
        }
        if self.timeout.0 > Duration::from_secs(60) {
            return Err("timeout: a probe has a minute at most".into());
        }
        Ok(())
    }

    /// The time of one.
    pub(super) const fn timeout(&self) -> Duration {
        self.timeout.0
    }

    pub(super) const fn probes(&self) -> Probes {
        Probes::new(self.every.0)
            .timeout(self.timeout.0)
            .rise(self.rise.get())
            .fall(self.fall.get())
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            every,
            timeout,
            rise,
            fall,
            ..
        } = self;
        write!(f, "probed every {:?} within {:?}", every.0, timeout.0)?;
        if let Some(ProbeTarget(target)) = &self.target {
            write!(f, " by {target}")?;
        }
        write!(f, ", up after {rise}, down after {fall}")
    }
}
