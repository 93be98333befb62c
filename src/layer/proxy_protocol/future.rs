use crate::{error::BoxError, relay::Traffic};

opaque_future! {
    /// Reads a header and serves the connection: the future of [`ProxyProtocol`](super::ProxyProtocol).
    ///
    /// Ready when the session is over, with the octets that it moved; there are none of a connection that was closed
    /// without a word. Fails with a [`SessionError`](crate::SessionError). Dropping it closes the connection, and
    /// gives back what it counted for.
    pub struct ResponseFuture = Result<Traffic, BoxError>;
}
