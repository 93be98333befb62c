use std::{fmt, mem::replace, net::SocketAddr, sync::Arc, time::SystemTime};

use tokio::sync::watch;

use super::rounds::{Place, Rounds};
use crate::{
    error::Refusal,
    session::{Policy, Request},
};

/// Makes a policy one that can be swapped while the server runs.
///
/// Clones share the policy: give one to [`AclLayer`](super::AclLayer) and keep another. From
/// [`swap`](Self::swap) on the new policy decides on requests, addresses and the destinations of
/// datagrams, also for dials in progress. Open tunnels go on, except those under a
/// [`RecheckLayer`](super::recheck::RecheckLayer) that the new policy refuses at the next
/// [`recheck`](Self::recheck).
///
/// ```
/// use tower_socks::{
///     Refusal, Request, layer::acl::SwapPolicy, proto::{Address, Command},
///     session::{Check, Policy},
/// };
///
/// type Judge = fn(&Request, Check) -> Result<(), Refusal>;
/// let policy = SwapPolicy::new((|_, _| Ok(())) as Judge);
/// let request = Request::new(Command::CONNECT, Address::new("example.com", 25)?);
/// assert!(policy.check(&request).is_ok());
///
/// policy.swap(|request, _| match request.target.port() {
///     25 => Err(Refusal::not_allowed("no mail")),
///     _ => Ok(()),
/// });
/// assert!(policy.check(&request).is_err());
/// # Ok::<(), tower_socks::proto::InvalidName>(())
/// ```
pub struct SwapPolicy<P> {
    shared: Arc<Shared<P>>,
}

struct Shared<P> {
    current: watch::Sender<Current<P>>,
    /// Of rechecks, and of swaps as well.
    rounds: Arc<Rounds>,
}

struct Current<P> {
    policy: Arc<P>,
    swaps: u64,
}

impl<P: Policy> SwapPolicy<P> {
    /// Creates one with a policy to begin with.
    pub fn new(policy: P) -> Self {
        Self {
            shared: Arc::new(Shared {
                current: watch::Sender::new(Current {
                    policy: Arc::new(policy),
                    swaps: 0,
                }),
                rounds: Arc::default(),
            }),
        }
    }

    /// Replaces the policy.
    pub fn swap(&self, policy: P) {
        let policy = Arc::new(policy);
        let mut old = None;
        self.shared.current.send_modify(|current| {
            old = Some(replace(&mut current.policy, policy));
            current.swaps += 1;
        });
        // The new one may look at the clock, or at another hour.
        self.shared.rounds.begin(false);
        // Not in there: it would block all decisions, and a million names take a while to drop.
        drop(old);
    }

    /// Asks the policy again about every open tunnel under a
    /// [`RecheckLayer`](super::recheck::RecheckLayer). Those that it refuses are closed, soon but not
    /// before this returns: tunnels that move data at their next turn, and idle ones some after the other, in
    /// less than half a second, so that thousands of them are no pause for anybody else. Outside of a Tokio
    /// runtime all are woken at once.
    pub fn recheck(&self) {
        self.shared.rounds.begin(true);
    }

    /// Enters a tunnel that hears of [`recheck`](Self::recheck) from here on.
    pub(super) fn enter(&self) -> Place {
        self.shared.rounds.enter()
    }

    /// The policy of the moment, whichever that is: for who does not know its type.
    pub(super) fn any(&self) -> Arc<dyn Policy> {
        Arc::clone(&self.shared) as _
    }

    /// Returns the policy at this moment.
    #[must_use]
    pub fn current(&self) -> Arc<P> {
        self.shared.current()
    }
}

impl<P> Shared<P> {
    fn current(&self) -> Arc<P> {
        Arc::clone(&self.current.borrow().policy)
    }
}

impl<P: Policy> Policy for SwapPolicy<P> {
    fn check(&self, request: &Request) -> Result<(), Refusal> {
        self.shared.check(request)
    }

    fn check_address(&self, request: &Request, address: SocketAddr) -> Result<(), Refusal> {
        self.shared.check_address(request, address)
    }

    fn check_name(&self, request: &Request) -> Result<(), Refusal> {
        self.shared.check_name(request)
    }

    fn next_change(&self) -> Option<SystemTime> {
        self.shared.next_change()
    }

    fn version(&self) -> u64 {
        self.shared.version()
    }
}

impl<P: Policy> Policy for Shared<P> {
    fn check(&self, request: &Request) -> Result<(), Refusal> {
        self.current().check(request)
    }

    fn check_address(&self, request: &Request, address: SocketAddr) -> Result<(), Refusal> {
        self.current().check_address(request, address)
    }

    fn check_name(&self, request: &Request) -> Result<(), Refusal> {
        self.current().check_name(request)
    }

    fn next_change(&self) -> Option<SystemTime> {
        self.current().next_change()
    }

    fn version(&self) -> u64 {
        let current = self.current.borrow();
        let (policy, swaps) = (Arc::clone(&current.policy), current.swaps);
        drop(current);
        // No plain sum: the policy may count as well, if it is a `SwapPolicy` itself. A multiple of this differs from a
        // count of swaps, for as many of them as a machine lives to see. Each batch of datagrams asks, so it is no hash.
        policy
            .version()
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .wrapping_add(swaps)
    }
}

impl<P> Clone for SwapPolicy<P> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<P> fmt::Debug for SwapPolicy<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SwapPolicy").finish_non_exhaustive()
    }
}
