use std::{fmt, net::SocketAddr, sync::Arc};

use super::{Policy, Request};
use crate::error::Refusal;

/// The policies that a request has passed, to be asked again about each address.
///
/// [`AclLayer`](crate::AclLayer) adds its policy to the guard of every request that goes through
/// it. A connector that has an address asks [`Request::approve`] before using it. A request that met no
/// policy has an open guard.
#[derive(Clone, Default)]
pub struct Guard(Option<Arc<Link>>);

struct Link {
    policy: Arc<dyn Policy>,
    outer: Guard,
}

impl Guard {
    /// Creates the guard that approves of everything.
    #[must_use]
    pub const fn open() -> Self {
        Self(None)
    }

    /// Combines this guard with another policy: an address has to please both.
    #[must_use]
    pub fn and(self, policy: Arc<dyn Policy>) -> Self {
        Self(Some(Arc::new(Link {
            policy,
            outer: self,
        })))
    }

    /// Returns whether no policy is in it.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.0.is_none()
    }

    /// Returns a number that changes once what the policies said may no longer hold. See
    /// [`Policy::version`].
    #[must_use]
    pub fn version(&self) -> u64 {
        let mut version = 0_u64;
        let mut guard = self;
        while let Some(link) = &guard.0 {
            // A sum in which the changes of one cannot be undone by those of another.
            version = version.wrapping_mul(31).wrapping_add(link.policy.version());
            guard = &link.outer;
        }
        version
    }

    pub(super) fn check(&self, request: &Request) -> Result<(), Refusal> {
        self.all(|policy| policy.check(request))
    }

    pub(super) fn check_address(
        &self,
        request: &Request,
        address: SocketAddr,
    ) -> Result<(), Refusal> {
        self.all(|policy| policy.check_address(request, address))
    }

    pub(super) fn check_name(&self, request: &Request) -> Result<(), Refusal> {
        self.all(|policy| policy.check_name(request))
    }

    /// Whether both are clones of each other.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.0.as_ref().map(Arc::as_ptr) == other.0.as_ref().map(Arc::as_ptr)
    }

    fn all(&self, ask: impl Fn(&dyn Policy) -> Result<(), Refusal>) -> Result<(), Refusal> {
        let mut guard = self;
        while let Some(link) = &guard.0 {
            ask(&*link.policy)?;
            guard = &link.outer;
        }
        Ok(())
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_open() {
            "Guard(open)"
        } else {
            "Guard"
        })
    }
}
