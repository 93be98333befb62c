use super::tunnel::BindTunnel;
use crate::error::BoxError;

opaque_future! {
    /// Opens a listener: the future of [`Bind`](super::Bind).
    ///
    /// Dropping it closes the listener.
    pub struct ResponseFuture = Result<BindTunnel, BoxError>;
}
