use std::{fmt, net::SocketAddr};

use super::{Extensions, Negotiation, request::UNKNOWN};
use crate::proto::{self, Password};

/// A name and a password, with all that is known about the client who sent them.
///
/// It is what a verifier takes, a `Service<Credentials, Response = Identity>`. The message of
/// RFC 1929 alone is [`proto::Credentials`].
///
/// ```
/// use tower_socks::{Credentials, Identity, error::AuthError};
///
/// # use tower::ServiceExt;
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// // Joe from the office only.
/// let verify = tower::service_fn(async |credentials: Credentials| {
///     let office = credentials.peer().ip().to_canonical().to_string().starts_with("10.1.");
///     match (credentials.name(), credentials.password().as_bytes()) {
///         (b"joe", b"secret") if office => Ok(Identity::named("joe")),
///         _ => Err(AuthError::Denied),
///     }
/// });
///
/// let joe = Credentials::new("joe", "secret").unwrap();
/// let (office, home) = (([10, 1, 2, 3], 50000).into(), ([192, 0, 2, 1], 50000).into());
/// assert!(verify.clone().oneshot(joe.clone().with_peer(office)).await.is_ok());
/// assert!(verify.oneshot(joe.with_peer(home)).await.is_err());
/// # }
/// ```
#[derive(Clone)]
pub struct Credentials {
    sent: proto::Credentials,
    peer: SocketAddr,
    local: SocketAddr,
    extensions: Extensions,
}

impl Credentials {
    /// Creates credentials of a client at an unknown address; `None` when either is longer than 255
    /// octets.
    #[must_use]
    pub fn new(name: impl Into<Vec<u8>>, password: impl Into<Vec<u8>>) -> Option<Self> {
        proto::Credentials::new(name, password).map(Self::from)
    }

    /// Creates the credentials that a client sent on this connection: for a method of your own that
    /// asks a verifier.
    #[must_use]
    pub fn received<Io>(sent: proto::Credentials, negotiation: &Negotiation<Io>) -> Self {
        Self {
            sent,
            peer: negotiation.peer,
            local: negotiation.local,
            extensions: negotiation.extensions.clone(),
        }
    }

    /// Replaces the client's address.
    #[must_use]
    pub const fn with_peer(mut self, peer: SocketAddr) -> Self {
        self.peer = peer;
        self
    }

    /// Returns UNAME, 0 to 255 octets.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        self.sent.name()
    }

    /// Returns PASSWD, 0 to 255 octets.
    #[must_use]
    pub fn password(&self) -> &Password {
        self.sent.password()
    }

    /// Returns the client's address; `0.0.0.0:0` where it is unknown.
    #[must_use]
    pub const fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Returns the address on which the client reached us; `0.0.0.0:0` where it is unknown.
    #[must_use]
    pub const fn local(&self) -> SocketAddr {
        self.local
    }

    /// Returns what layers above learned about the connection.
    #[must_use]
    pub const fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// Returns the same, to add to: what a verifier tells another one inside of it.
    pub const fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.extensions
    }
}

/// Creates credentials of a client at an unknown address.
impl From<proto::Credentials> for Credentials {
    fn from(sent: proto::Credentials) -> Self {
        Self {
            sent,
            peer: UNKNOWN,
            local: UNKNOWN,
            extensions: Extensions::new(),
        }
    }
}

/// The message alone, such as for a client that logs in elsewhere with it.
impl From<Credentials> for proto::Credentials {
    fn from(credentials: Credentials) -> Self {
        credentials.sent
    }
}

/// The password does not appear.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("name", &format_args!("\"{}\"", self.name().escape_ascii()))
            .field("password", self.password())
            .field("peer", &self.peer)
            .field("local", &self.local)
            .field("extensions", &self.extensions)
            .finish()
    }
}
