//! What the file says in `[pac]`.

use std::net::SocketAddr;

use serde::{Deserialize, Deserializer, de};
use tower_socks::rules::{Destination, RulesBuilder};

use super::{
    proxies::{self, Proxy},
    script,
};
use crate::listen::{Door, address};

/// `[pac]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pac {
    /// By which name or address clients reach the listeners.
    #[serde(default, deserialize_with = "host")]
    host: Option<String>,
    /// Proxies in place of the listeners.
    #[serde(default)]
    proxies: Vec<Proxy>,
    /// What goes past the proxy in any case.
    #[serde(default)]
    direct: Vec<Destination>,
    /// An address with nothing but the script.
    #[serde(default, deserialize_with = "optional_address")]
    pub(crate) listen: Option<SocketAddr>,
}

fn host<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(from)?;
    proxies::host(&text).map(Some).map_err(de::Error::custom)
}

fn optional_address<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SocketAddr>, D::Error> {
    address(&String::deserialize(from)?)
        .map(Some)
        .map_err(de::Error::custom)
}

impl Pac {
    /// Makes the script, of the listeners and the rules.
    ///
    /// # Errors
    ///
    /// No browser would have a proxy, or nobody would get the script.
    pub(crate) fn script(
        &self,
        has_metrics: bool,
        doors: &[Door],
        has_users: bool,
        rules: &RulesBuilder,
    ) -> Result<String, String> {
        if !has_metrics && self.listen.is_none() {
            return Err("pac: nobody gets it: add `listen` to it, or [metrics]".into());
        }
        let proxies = match (&self.host, &*self.proxies) {
            (None, []) => {
                return Err(
                    "pac: by which name or address do clients reach this server? Write it as `host`, or \
                     all of them as `proxies`"
                        .into(),
                );
            }
            (Some(_), [_, ..]) => {
                return Err(
                    "pac: `host` is for the listeners, which `proxies` takes the place of".into(),
                );
            }
            (None, proxies) => proxies.to_vec(),
            (Some(host), []) => proxies::of(doors, host, has_users),
        };
        if proxies.is_empty() {
            return Err(
                "pac, host: no listener is one that browsers elsewhere can use: they speak socks5 and socks4 without \
                 TLS, and http with it or without; write `proxies` where something else stands in front"
                    .into(),
            );
        }
        Ok(script::script(
            &proxies,
            self.host.as_deref(),
            &self.direct,
            rules,
        ))
    }
}
