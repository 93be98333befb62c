use crate::{error::BoxError, io::TlsStream, session::Connected};

opaque_future! {
    /// Connects and shakes hands: the future of [`TlsConnector`](super::TlsConnector).
    ///
    /// Dropping it closes the connection.
    pub struct ResponseFuture = Result<Connected<TlsStream>, BoxError>;
}
