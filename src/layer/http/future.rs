use crate::{error::BoxError, relay::Traffic};

opaque_future! {
    /// Serves a connection: the future of [`Http`](super::Http).
    ///
    /// Ready when the connection is over, with the octets that its tunnels moved. Fails with a
    /// [`SessionError`](crate::SessionError). Dropping it ends the connection at whatever step it is.
    pub struct ResponseFuture = Result<Traffic, BoxError>;
}
