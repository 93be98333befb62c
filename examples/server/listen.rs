//! Where the server listens: from the command line, from the file, or what systemd hands over.

use std::{fmt, io, net::SocketAddr, os::fd::AsFd};

use serde::{Deserialize, Deserializer, de};
use tokio::net::{TcpListener, TcpSocket};
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
    pub(crate) fn bind(&self) -> Result<Vec<TcpListener>, BoxError> {
        let mut listeners = Vec::new();
        for address in &self.0 {
            let listener = self.listener(*address);
            listeners
                .push(listener.map_err(|error| format!("cannot listen on {address}: {error}"))?);
        }
        Ok(listeners)
    }

    fn listener(&self, address: SocketAddr) -> io::Result<TcpListener> {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.set_reuseaddr(true)?;
        // A socket for IPv6 takes the port for IPv4 as well, which another one is to have.
        let is_rival = |other: &SocketAddr| other.is_ipv4() && other.port() == address.port();
        if address.is_ipv6() && address.port() != 0 && self.0.iter().any(is_rival) {
            rustix::net::sockopt::set_ipv6_v6only(&socket, true)?;
        }
        socket.bind(address)?;
        // As std and tokio do.
        socket.listen(1024)
    }
}

/// The addresses that are bound, whatever the file says by now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bound {
    pub(crate) listening: Vec<SocketAddr>,
    /// Where the metrics are.
    pub(crate) status: Option<SocketAddr>,
}

impl Bound {
    pub(crate) fn of<L: AsFd>(listeners: &[L], status: Option<&TcpListener>) -> io::Result<Self> {
        let address = |listener| {
            let address = rustix::net::getsockname(listener)?;
            Ok(SocketAddr::try_from(address)?)
        };
        Ok(Self {
            listening: listeners
                .iter()
                .map(address)
                .collect::<io::Result<Vec<_>>>()?,
            status: status.map(TcpListener::local_addr).transpose()?,
        })
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
