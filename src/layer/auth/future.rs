use crate::error::BoxError;

opaque_future! {
    /// Authenticates a client: the future of [`Auth`](super::Auth).
    ///
    /// Dropping it closes the client's connection.
    pub struct ResponseFuture<T> = Result<T, BoxError>;
}
