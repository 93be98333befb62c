use crate::{error::BoxError, session::Identity};

opaque_future! {
    /// A verification by an account: the future of [`RedisAccounts`](super::RedisAccounts). It asks Redis for nothing.
    pub struct ResponseFuture = Result<Identity, BoxError>;
}
