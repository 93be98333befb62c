use std::io;

use crate::{
    io::{ClientStream, lingering_close},
    proto::Address,
    relay::Traffic,
    session::Tunnel,
};

/// What was found, as BND of the reply. There is nothing to relay: it closes the client's stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameServiceTunnel {
    found: Address,
}

impl NameServiceTunnel {
    pub(super) const fn new(found: Address) -> Self {
        Self { found }
    }
}

impl Tunnel for NameServiceTunnel {
    fn bound(&self) -> Address {
        self.found.clone()
    }

    async fn run<W: ClientStream>(self, client: W) -> io::Result<Traffic> {
        lingering_close(client).await;
        Ok(Traffic::default())
    }
}
