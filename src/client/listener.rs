use std::time::Duration;

use tokio::{io::AsyncRead, time::timeout};

use super::{ClientError, handshake, socks4};
use crate::{
    error::Step,
    proto::Address,
    session::{Connected, Protocol},
};

/// Listens at the proxy for one connection (RFC 1928 section 6, BIND). Returned by
/// [`Client::bind`](super::Client::bind) and [`Socks4Client::bind`](super::Socks4Client::bind).
///
/// It lasts as long as its stream: dropping it tells the proxy to stop listening.
#[derive(Debug)]
pub struct ProxyListener<Io> {
    /// In which the second reply comes.
    protocol: Protocol,
    io: Io,
    bound: Address,
    limit: Duration,
}

impl<Io> ProxyListener<Io> {
    pub(super) const fn new(protocol: Protocol, io: Io, bound: Address, limit: Duration) -> Self {
        Self {
            protocol,
            io,
            bound,
            limit,
        }
    }

    /// Returns the address that the peer has to connect to: BND of the first reply.
    ///
    /// A wildcard, where the proxy leaves out the address at which it listens, is replaced by the
    /// proxy's own address as far as that is known: see
    /// [`Client::proxy_address`](super::Client::proxy_address).
    pub const fn bound(&self) -> &Address {
        &self.bound
    }

    /// Waits for the peer, and returns the stream and the peer's address, BND of the second reply.
    ///
    /// There is only one peer, so this takes the listener.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] or [`ClientError::Rejected`] when the proxy replies that no peer came, or an unexpected one;
    /// [`ClientError::TimedOut`] without a reply within
    /// [`Client::accept_timeout`](super::Client::accept_timeout), which begins here; and the other
    /// errors of reading a reply.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the listener and the stream. To do something else in between,
    /// pin it and poll it again.
    pub async fn accept(self) -> Result<(Connected<Io>, Address), ClientError>
    where
        Io: AsyncRead + Unpin,
    {
        let Self {
            protocol,
            mut io,
            bound,
            limit,
        } = self;
        let reply = async {
            match protocol {
                Protocol::Socks4 => socks4::read_reply(&mut io, Step::Dial).await,
                Protocol::Socks5 | Protocol::Http => {
                    handshake::read_reply(&mut io, Step::Dial).await
                }
            }
        };
        match timeout(limit, reply).await {
            Ok(Ok(peer)) => Ok((Connected::new(io, bound).through_proxy(), peer)),
            Ok(Err(error)) => Err(error),
            Err(source) => Err(ClientError::TimedOut {
                step: Step::Dial,
                limit,
                source,
            }),
        }
    }
}
