use std::error::Error;

use super::Protocol;
use crate::{
    error::ReplyCodes,
    proto::{Address, Encoded, Reply, ReplyCode, socks4},
};

/// How the client of a request is replied to: in its own protocol, with the codes of its session.
///
/// A tunnel whose command has two replies writes the second one by this.
#[derive(Clone, Debug)]
pub(crate) struct Replies {
    protocol: Protocol,
    codes: ReplyCodes,
}

impl Replies {
    pub(crate) const fn new(protocol: Protocol, codes: ReplyCodes) -> Self {
        Self { protocol, codes }
    }

    /// Returns how errors become codes.
    pub(crate) const fn codes(&self) -> &ReplyCodes {
        &self.codes
    }

    /// Encodes the reply to a request that succeeded.
    pub(crate) fn success(&self, bound: Address) -> Encoded<22> {
        match self.protocol {
            Protocol::Socks4 => Encoded::new().push(&socks4::Reply::granted(&bound).encode()),
            // Commands with two replies are no requests of HTTP.
            Protocol::Socks5 | Protocol::Http => Reply {
                code: ReplyCode::SUCCEEDED,
                bound,
            }
            .encode(),
        }
    }

    /// Encodes the reply to a request that failed with this error.
    pub(crate) fn failure(&self, error: &(dyn Error + 'static)) -> Encoded<22> {
        match self.protocol {
            Protocol::Socks4 => Encoded::new().push(&socks4::Reply::rejected().encode()),
            Protocol::Socks5 | Protocol::Http => Reply::failure(self.codes.of(error)).encode(),
        }
    }
}
