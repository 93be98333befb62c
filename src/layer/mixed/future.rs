use crate::{error::BoxError, relay::Traffic};

opaque_future! {
    /// Runs a session: the future of [`Mixed`](super::Mixed).
    ///
    /// Ready when the session is over, with the bytes that its tunnel moved. Fails with a
    /// [`SessionError`](crate::SessionError). Dropping it ends the session at whatever step it is.
    pub struct ResponseFuture = Result<Traffic, BoxError>;
}
