use crate::{error::BoxError, session::Identity};

opaque_future! {
    /// A verification by a service of HTTP: the future of [`HttpCallOut`](super::HttpCallOut).
    ///
    /// Dropping it closes the connection that it has asked by, or gives up its place.
    pub struct ResponseFuture = Result<Identity, BoxError>;
}
