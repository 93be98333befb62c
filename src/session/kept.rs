//! The copy of a request that layers hold while its tunnel is open.

use std::sync::Arc;

use super::request::{Kept, Request};

impl Request {
    /// Returns a copy to hold while the tunnel is open. Layers share one, where none between them has changed the
    /// request.
    pub(crate) fn kept(&mut self) -> Arc<Self> {
        if let Kept(Some(kept)) = &self.kept
            && kept.is_same(self)
        {
            return Arc::clone(kept);
        }
        // The copy has none itself, or it would hold another one.
        self.kept = Kept(None);
        let kept = Arc::new(self.clone());
        self.kept = Kept(Some(Arc::clone(&kept)));
        kept
    }

    /// Whether both say the same, and hold the same: what is shared is not looked into.
    fn is_same(&self, other: &Self) -> bool {
        self == other
            && self.identity.is_same(&other.identity)
            && self.guard.is_same(&other.guard)
            && self.extensions.is_same(&other.extensions)
            && self.reply_codes.is_same(&other.reply_codes)
    }
}
