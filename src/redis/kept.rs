use futures_util::future::BoxFuture;

/// What a store holds for this node, and has to write down.
pub(super) trait Kept: Send + Sync {
    /// Writes down what has changed, or all of it: to renew it.
    fn write(&self, all: bool) -> BoxFuture<'_, ()>;

    /// Gives everything up.
    fn leave(&self) -> BoxFuture<'_, ()>;
}
