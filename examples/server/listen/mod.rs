//! Where the server listens: from the command line, from the file, or what systemd hands over.

mod bound;
mod door;
mod own;
mod place;
mod protocols;
mod proxy_protocol;
mod socket;
mod sockets;
mod stated;
mod texts;
mod tls;
mod unix;

use std::net::SocketAddr;

pub(crate) use self::{
    bound::Bound,
    door::{Door, Headers, TopLevel},
    place::{Place, address},
    protocols::Protocols,
    proxy_protocol::{ProxyProtocol, network},
    socket::{Socket, tcp},
    sockets::Sockets,
    stated::{Listener, Mode},
    texts::texts,
    tls::Tls,
    unix::{SocketFile, listen as unix_socket},
};

/// `listen`: one listener or several.
#[derive(Clone, Debug)]
pub(crate) struct Listen(pub(crate) Vec<Listener>);

/// 127.0.0.1:1080, for everyone on this machine.
impl Default for Listen {
    fn default() -> Self {
        Self::at([([127, 0, 0, 1], 1080).into()])
    }
}

impl Listen {
    /// Listens on these addresses, with the settings of the top level.
    pub(crate) fn at(addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        let listeners = addresses.into_iter().map(Place::Tcp).map(Listener::at);
        Self(listeners.collect())
    }
}
