use super::NameServiceTunnel;
use crate::error::BoxError;

opaque_future! {
    /// Looks a name or an address up: the future of [`NameService`](super::NameService).
    ///
    /// Dropping it ends the wait for the lookup, which others may share.
    pub struct ResponseFuture = Result<NameServiceTunnel, BoxError>;
}
