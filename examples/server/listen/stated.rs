//! `listen` and `[[listen]]` as the file has them.

use std::{fmt, path::PathBuf};

use serde::{Deserialize, Deserializer, de};

use super::{Listen, Place, Protocols, ProxyProtocol, Tls, address, own::Own};
use crate::{bind::BindTable, network::OwnNetwork, outgoing, udp::Udp};

/// A listener, and what it has for itself. Everything else is that of the top level.
#[derive(Clone, Debug)]
pub(crate) struct Listener {
    pub(crate) place: Place,
    /// Who may connect to a Unix socket.
    pub(crate) mode: Mode,
    /// `FileDescriptorName` of the systemd socket that has these settings.
    pub(crate) name: Option<String>,
    pub(super) protocols: Option<Protocols>,
    pub(super) tls: Option<Own<Tls>>,
    pub(super) proxy_protocol: Option<Own<ProxyProtocol>>,
    pub(super) udp_over_tcp: Option<bool>,
    pub(super) network: OwnNetwork,
}

impl Listener {
    pub(crate) fn at(place: Place) -> Self {
        Self {
            place,
            mode: Mode(0o660),
            name: None,
            protocols: None,
            tls: None,
            proxy_protocol: None,
            udp_over_tcp: None,
            network: OwnNetwork::default(),
        }
    }

    /// TLS settings that are stated for it alone.
    pub(crate) const fn own_tls(&self) -> Option<&Tls> {
        match &self.tls {
            Some(Own::Stated(tls)) => Some(tls),
            Some(Own::Switched(_)) | None => None,
        }
    }
}

/// Permissions, as `chmod` takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mode(pub(crate) u32);

impl<'de> Deserialize<'de> for Mode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A number of TOML would be taken for what it is not: 660 is not 0o660.
        let text = String::deserialize(deserializer)?;
        u32::from_str_radix(&text, 8)
            .ok()
            .filter(|mode| *mode <= 0o777 && text.len() >= 3)
            .map(Self)
            .ok_or_else(|| de::Error::custom("permissions are written as for chmod, like \"0660\""))
    }
}

/// One table of `[[listen]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    address: Option<String>,
    path: Option<PathBuf>,
    mode: Option<Mode>,
    name: Option<String>,
    protocols: Option<Protocols>,
    tls: Option<Own<Tls>>,
    proxy_protocol: Option<Own<ProxyProtocol>>,
    udp_over_tcp: Option<bool>,
    outgoing: Option<outgoing::Stated>,
    udp: Option<Udp>,
    bind: Option<BindTable>,
}

impl Table {
    fn listener(self) -> Result<Listener, String> {
        let place = match (self.address, self.path) {
            (Some(text), None) => Place::Tcp(address(&text)?),
            (None, Some(path)) if !path.as_os_str().is_empty() => Place::Unix(path),
            (None, Some(_)) => return Err("the path is empty".into()),
            _ => return Err("a listener has an `address` or a `path`, one of them".into()),
        };
        if self.mode.is_some() && place.path().is_none() {
            return Err("`mode` is about the `path` of a Unix socket".into());
        }
        let default = Listener::at(place);
        Ok(Listener {
            mode: self.mode.unwrap_or(default.mode),
            name: self.name,
            protocols: self.protocols,
            tls: self.tls,
            proxy_protocol: self.proxy_protocol,
            udp_over_tcp: self.udp_over_tcp,
            network: OwnNetwork {
                outgoing: self.outgoing,
                udp: self.udp,
                bind: self.bind,
            },
            ..default
        })
    }
}

impl<'de> Deserialize<'de> for Listener {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListenerVisitor)
    }
}

struct ListenerVisitor;

impl<'de> de::Visitor<'de> for ListenerVisitor {
    type Value = Listener;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an address with a port, or a table with an `address` or a `path`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Listener, E> {
        let address = address(text).map_err(E::custom)?;
        Ok(Listener::at(Place::Tcp(address)))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, table: A) -> Result<Listener, A::Error> {
        let table = Table::deserialize(de::value::MapAccessDeserializer::new(table))?;
        table.listener().map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListenVisitor)
    }
}

struct ListenVisitor;

impl<'de> de::Visitor<'de> for ListenVisitor {
    type Value = Listen;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an address with a port, or a list of at least one listener")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Listen, E> {
        Ok(Listen(vec![ListenerVisitor.visit_str(text)?]))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Listen, A::Error> {
        let mut listeners: Vec<Listener> = Vec::new();
        while let Some(next) = list.next_element::<Listener>()? {
            let twice = |other: &Listener| other.name.is_some() && other.name == next.name;
            if listeners.iter().any(twice) {
                return Err(de::Error::custom("two listeners have one name"));
            }
            listeners.push(next);
        }
        if listeners.is_empty() {
            return Err(de::Error::custom("nobody could connect to an empty list"));
        }
        Ok(Listen(listeners))
    }
}
