use tokio::net::TcpStream;

use crate::{error::BoxError, session::Connected};

opaque_future! {
    /// Dials: the future of [`Direct`](super::Direct).
    ///
    /// Dropping it closes every socket that it opened.
    pub struct ResponseFuture = Result<Connected<TcpStream>, BoxError>;
}
