use crate::{error::BoxError, session::Identity};

opaque_future! {
    /// A verification by RADIUS: the future of [`Radius`](super::Radius).
    ///
    /// Dropping it gives up its place, and what is answered then nobody reads.
    pub struct ResponseFuture = Result<Identity, BoxError>;
}
