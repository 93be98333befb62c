use std::fmt;

use crate::proto::Credentials;

/// Who a client states to be with its request, where its protocol has no sub-negotiation.
///
/// It is what a [`Negotiation`](super::Negotiation) has in place of a stream then: everything has been said,
/// and [`AuthLayer`](crate::AuthLayer) answers without a dialogue. The protocol keeps the stream, and tells the
/// client the outcome.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Stated {
    /// Nothing.
    #[default]
    Nothing,
    /// A name and a password: Basic authentication of HTTP (RFC 7617).
    Password(Credentials),
    /// USERID of SOCKS4, 0 to 255 octets: a claim, which nothing proves.
    UserId(Box<[u8]>),
}

/// The password does not appear.
impl fmt::Debug for Stated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("Nothing"),
            Self::Password(credentials) => f.debug_tuple("Password").field(credentials).finish(),
            Self::UserId(claim) => write!(f, "UserId(\"{}\")", claim.escape_ascii()),
        }
    }
}
