use crate::error::BoxError;

opaque_future! {
    /// Shakes hands with a client, and serves what is inside: the future of [`Tls`](super::Tls).
    ///
    /// Fails with a [`SessionError`](crate::SessionError) whose step is [`Tls`](crate::error::Step::Tls), and a
    /// [`TlsError`](crate::error::TlsError) in it, where the handshake does; and with the error of the service inside.
    /// Dropping it closes the connection.
    pub struct ResponseFuture<R> = Result<R, BoxError>;
}
