//! Peers that state the client of a connection in a header.

use std::{cell::RefCell, net::SocketAddr, sync::Arc};

use crate::proto::Network;

tokio::task_local! {
    static ANNOUNCED: RefCell<Option<Senders>>;
}

/// The peers whose connections begin with a header that states the client. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Senders {
    networks: Arc<[Network]>,
    /// Whether those without an address are among them: the peers of a Unix socket.
    pub(crate) unix: bool,
}

impl Senders {
    pub(crate) fn new(networks: impl IntoIterator<Item = Network>) -> Self {
        Self {
            networks: networks.into_iter().collect(),
            unix: false,
        }
    }

    /// Returns how many there are, each network and the Unix sockets.
    pub(crate) fn len(&self) -> usize {
        self.networks.len() + usize::from(self.unix)
    }

    pub(crate) fn networks(&self) -> &[Network] {
        &self.networks
    }

    /// Returns the number of the first network that the peer is in; that of a peer without an address follows the
    /// networks.
    pub(crate) fn position(&self, peer: SocketAddr) -> Option<usize> {
        if peer.ip().is_unspecified() {
            return self.unix.then_some(self.networks.len());
        }
        let contains = |network: &Network| network.contains(peer.ip());
        self.networks.iter().position(contains)
    }

    /// Tells the server that asks whether its stack is ready, if one does, for whom clients are not known when a
    /// connection is accepted.
    pub(crate) fn announce(&self) {
        let _ = ANNOUNCED.try_with(|announced| {
            announced.borrow_mut().get_or_insert_with(|| self.clone());
        });
    }
}

/// Calls what may [announce](Senders::announce) senders, and returns them. Of several the first counts, which is the
/// outermost layer.
pub(crate) fn announced<T>(call: impl FnOnce() -> T) -> (T, Option<Senders>) {
    ANNOUNCED.sync_scope(RefCell::new(None), || {
        let called = call();
        (called, ANNOUNCED.with(RefCell::take))
    })
}
