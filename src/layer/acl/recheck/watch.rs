//! What looks at the policy of a tunnel again while it is open.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, SystemTime},
};

use tokio::time::{Sleep, sleep};

use super::SwapPolicy;
use crate::{
    error::Refusal,
    layer::acl::rounds::Place,
    session::{Dialled, Policy, Request},
};

/// For how long the clock is trusted, which may be set; and how often a policy can make us ask.
const AT_MOST: Duration = Duration::from_secs(15 * 60);
const AT_LEAST: Duration = Duration::from_secs(1);

/// Asks a policy about a request at each recheck, and when its hours change, until it refuses. Every open tunnel has
/// one, so it is small, and boxes what few policies need.
pub(super) struct Watch {
    policy: Arc<dyn Policy>,
    place: Place,
    request: Arc<Request>,
    /// Of a policy that looks at the clock.
    change: Option<Pin<Box<Sleep>>>,
}

impl Watch {
    pub(super) fn new<P: Policy>(policy: &SwapPolicy<P>, request: Arc<Request>) -> Self {
        Self {
            policy: policy.any(),
            place: policy.enter(),
            request,
            change: None,
        }
    }

    /// Ready with the refusal, once the policy refuses the tunnel.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Refusal> {
        // After each round there may be another policy, and after each change another hour.
        let mut is_clock_due = self.place.is_new();
        loop {
            let is_due = match self.place.poll_round(cx) {
                Poll::Ready(is_recheck) => {
                    is_clock_due = true;
                    is_recheck
                }
                Poll::Pending => {
                    if std::mem::take(&mut is_clock_due) {
                        self.change = self.next_change();
                    }
                    let Some(change) = &mut self.change else {
                        return Poll::Pending;
                    };
                    ready!(change.as_mut().poll(cx));
                    is_clock_due = true;
                    true
                }
            };
            if is_due && let Err(refusal) = self.judge() {
                return Poll::Ready(refusal);
            }
        }
    }

    /// Waits until the policy may have changed because of the time, and a little longer, each tunnel another time.
    fn next_change(&self) -> Option<Pin<Box<Sleep>>> {
        let time = self.policy.next_change()?;
        let rest = time.duration_since(SystemTime::now()).unwrap_or_default();
        let rest = rest.clamp(AT_LEAST, AT_MOST) + self.place.spread();
        Some(Box::pin(sleep(rest)))
    }

    /// Asks what was asked before the tunnel opened: about the request, and about what was used for it.
    fn judge(&self) -> Result<(), Refusal> {
        let (policy, request) = (&*self.policy, &*self.request);
        policy.check(request)?;
        let Some(dialled) = Dialled::of(&request.extensions) else {
            return Ok(());
        };
        if dialled.is_handed_on() {
            policy.check_name(request)?;
        }
        match dialled.get() {
            Some(address) => policy.check_address(request, address),
            None => Ok(()),
        }
    }
}
