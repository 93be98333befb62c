use super::tunnel::AssociateTunnel;
use crate::error::BoxError;

opaque_future! {
    /// Opens an association: the future of [`Associate`](super::Associate).
    ///
    /// Dropping it closes its socket.
    pub struct ResponseFuture<D> = Result<AssociateTunnel<D>, BoxError>;
}
