//! A tunnel that is not of this crate: it reads and writes the client's stream itself, meters and all.

use std::io;

use tokio::{
    io::{AsyncRead, AsyncWrite, copy_bidirectional},
    time::timeout,
};
use tower_socks::{Traffic, io::ClientStream, proto::Address, session::Tunnel};

use super::stack::IDLE;

#[derive(Debug)]
pub struct Own<Io> {
    pub target: Io,
    pub bound: Address,
}

impl<Io> Tunnel for Own<Io>
where
    Io: AsyncRead + AsyncWrite + Send + Unpin,
{
    fn bound(&self) -> Address {
        self.bound.clone()
    }

    async fn run<W: ClientStream>(mut self, mut client: W) -> io::Result<Traffic> {
        let both = copy_bidirectional(&mut client, &mut self.target);
        let (up, down) = timeout(IDLE, both).await??;
        Ok(Traffic { up, down })
    }
}
