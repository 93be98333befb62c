//! Where the server listens: from the command line, from the file, or what systemd hands over.

use std::{fmt, net::SocketAddr};

use serde::{Deserialize, Deserializer, de};
use tokio::net::TcpListener;
use tower_socks::BoxError;

/// `listen`: an address with a port, or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listen(pub(crate) Vec<SocketAddr>);

/// 127.0.0.1:1080, for everyone on this machine.
impl Default for Listen {
    fn default() -> Self {
        Self(vec![([127, 0, 0, 1], 1080).into()])
    }
}

impl Listen {
    /// Listens on all of them, before one of them serves.
    pub(crate) async fn bind(&self) -> Result<Vec<TcpListener>, BoxError> {
        let mut listeners = Vec::new();
        for address in &self.0 {
            let listener = TcpListener::bind(address).await;
            listeners
                .push(listener.map_err(|error| format!("cannot listen on {address}: {error}"))?);
        }
        Ok(listeners)
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&addresses.join(", "))
    }
}

/// An address as people write it, or how to write it.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| format!("{text}: expected ADDR:PORT, such as 127.0.0.1:1080 or [::1]:1080"))
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
        f.write_str("an address with a port, or a list of at least one")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Listen, E> {
        Ok(Listen(vec![address(text).map_err(E::custom)?]))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut texts: A) -> Result<Listen, A::Error> {
        let mut addresses = Vec::new();
        while let Some(text) = texts.next_element::<String>()? {
            addresses.push(address(&text).map_err(de::Error::custom)?);
        }
        if addresses.is_empty() {
            return Err(de::Error::custom("nobody could connect to an empty list"));
        }
        Ok(Listen(addresses))
    }
}
