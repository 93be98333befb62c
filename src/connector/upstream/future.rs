use crate::error::BoxError;

opaque_future! {
    /// Asks another proxy: the future of the services in [this module](super).
    ///
    /// Dropping it closes the connection to the proxy.
    pub struct ResponseFuture<T> = Result<T, BoxError>;
}
