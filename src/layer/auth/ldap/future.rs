use crate::{error::BoxError, session::Identity};

opaque_future! {
    /// A verification by a directory: the future of [`Ldap`](super::Ldap).
    ///
    /// Dropping it closes the connections that it has asked by, or gives up its place.
    pub struct ResponseFuture = Result<Identity, BoxError>;
}
