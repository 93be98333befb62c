use tokio::sync::watch;

/// The calls of a policy to ask it again about what it let pass.
///
/// [`AclLayer`](crate::AclLayer) listens to them for as long as a tunnel lives. A policy of your own
/// that changes at run time keeps the sender of a watch channel, and makes these of its receivers;
/// each value that is sent is a call. [`Swap`](crate::layer::acl::Swap) does it for any policy.
#[derive(Clone, Debug)]
pub struct Recheck(watch::Receiver<()>);

impl Recheck {
    /// Ready with the next call. Never, once there is nobody left to call.
    ///
    /// # Cancel safety
    ///
    /// A call is not lost with a dropped future.
    pub async fn called(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending().await
        }
    }
}

/// Calls from here on.
impl From<watch::Receiver<()>> for Recheck {
    fn from(receiver: watch::Receiver<()>) -> Self {
        Self(receiver)
    }
}
