use std::{
    fmt,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{
    compiled::Compiled,
    decision::{Decided, Decision, Effect},
    evaluate::Choice,
    postings::RuleId,
    query::Query,
    schedule::Moment,
};
use crate::{
    error::Refusal,
    session::{Check, Policy, Request},
};

/// Rules in order: a policy, of which the first that matches decides. See the [module](super).
///
/// Clones share them.
#[derive(Clone)]
pub struct Rules(pub(super) Arc<Compiled>);

impl Rules {
    /// Decides on a request as stated, now: would it be allowed, and by which rule?
    ///
    /// A name that is allowed is not the end of it: see
    /// [`explain_address`](Self::explain_address).
    #[must_use]
    pub fn explain(&self, request: &Request) -> Decision {
        self.ask(request, Check::Stated, None)
    }

    /// Decides on an address for the request, now: would it be allowed, and by which rule?
    #[must_use]
    pub fn explain_address(&self, request: &Request, address: SocketAddr) -> Decision {
        self.ask(request, Check::Address(address), None)
    }

    /// Decides at another time, on any of the three.
    #[must_use]
    pub fn explain_at(&self, request: &Request, check: Check, time: SystemTime) -> Decision {
        self.ask(request, check, Some(time))
    }

    fn ask(&self, request: &Request, check: Check, at: Option<SystemTime>) -> Decision {
        self.0
            .explain(request, check, self.evaluate(request, check, at))
    }

    fn evaluate(&self, request: &Request, check: Check, at: Option<SystemTime>) -> Decided {
        self.0
            .evaluate(&Query::new(request, check, at, &self.0.nat64))
    }

    /// Decides on the request's name, which an upstream would resolve: may it be sent there now, and by
    /// which rule?
    ///
    /// Nobody here knows the address then: a rule that allows a network does not match, and one that
    /// denies a network refuses what it would have to judge, unless
    /// [that is allowed](super::RulesBuilder::allow_unresolved).
    #[must_use]
    pub fn explain_name(&self, request: &Request) -> Decision {
        self.ask(request, Check::Name, None)
    }

    fn decide(&self, request: &Request, check: Check) -> Result<(), Refusal> {
        let decided = self.evaluate(request, check, None);
        match decided.effect {
            Effect::Allowed | Effect::Open => Ok(()),
            Effect::Refused => Err(self.0.explain(request, check, decided).refusal()),
            Effect::Reported => {
                // Once: not again about what was reported as stated.
                if check == Check::Stated || !self.is_reported_as_stated(request) {
                    self.report(request, check, decided);
                }
                Ok(())
            }
        }
    }

    fn is_reported_as_stated(&self, request: &Request) -> bool {
        self.evaluate(request, Check::Stated, None).effect == Effect::Reported
    }

    fn report(&self, request: &Request, check: Check, decided: Decided) {
        let Some(before) = self.0.reports.take() else {
            return;
        };
        let decision = self.0.explain(request, check, decided);
        let (user, peer, suppressed) = (&request.identity, request.peer, before.field());
        tracing::info!(%user, %peer, suppressed, "{decision}");
    }

    /// Finds the first rule that matches what is known of a request.
    pub(crate) fn choose(&self, request: &Request, check: Check) -> Choice {
        self.choose_at(request, check, None)
    }

    /// Finds it at another time than now.
    pub(crate) fn choose_at(
        &self,
        request: &Request,
        check: Check,
        at: Option<SystemTime>,
    ) -> Choice {
        self.0
            .choose(&Query::new(request, check, at, &self.0.nat64))
    }

    /// Returns what [`Refusal::rule`] says of each rule, in order: `rule 1 (no mail)`, or `rule 2` for one
    /// without a name. Metrics have it as the reason of refusals. Control characters, bidirectional
    /// ones and those that nobody sees are escaped, as in decisions.
    pub fn names(&self) -> impl Iterator<Item = String> {
        (0..self.len()).filter_map(|at| Some(self.0.rule_text(RuleId::try_from(at).ok()?)))
    }

    /// Returns the same of the rules that refuse.
    pub fn refusing(&self) -> impl Iterator<Item = String> {
        let rules = self.0.rules.iter().zip(self.names());
        rules.filter_map(|(rule, name)| (!rule.action().allows()).then_some(name))
    }

    /// Returns when decisions may change next after a time, because of the time alone: the hours or the
    /// day of a rule begin or end. `None` where no rule looks at the clock.
    ///
    /// It is never more than 15 minutes away: the zone may change its offset.
    #[must_use]
    pub fn next_change_after(&self, time: SystemTime) -> Option<SystemTime> {
        if !self.0.timed {
            return None;
        }
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let minute = since.as_secs() / 60;
        // Zones change their offsets at full quarters.
        let quarter = 15 - minute % 15;
        let hours = self.0.rules.iter().flat_map(|rule| &rule.hours);
        let days = self.0.rules.iter().any(|rule| !rule.days.is_empty());
        let minutes = hours
            .flat_map(|hours| hours.ends())
            .chain(days.then_some(0));
        let rest = Moment::new(time, &self.0.zone).until(minutes);
        let rest = rest.map_or(quarter, |rest| quarter.min(rest.into()));
        UNIX_EPOCH.checked_add(Duration::from_secs((minute + rest) * 60))
    }

    /// Counts the rules.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.rules.len()
    }

    /// Returns whether there are none, so that the default decides.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.rules.is_empty()
    }
}

impl Policy for Rules {
    fn check(&self, request: &Request) -> Result<(), Refusal> {
        self.decide(request, Check::Stated)
    }

    fn check_address(&self, request: &Request, address: SocketAddr) -> Result<(), Refusal> {
        self.decide(request, Check::Address(address))
    }

    /// As [`explain_name`](Self::explain_name) says. What was reported as stated is not reported again.
    fn check_name(&self, request: &Request) -> Result<(), Refusal> {
        self.decide(request, Check::Name)
    }

    fn next_change(&self) -> Option<SystemTime> {
        self.next_change_after(SystemTime::now())
    }

    /// The minute, if there are rules that look at the clock.
    fn version(&self) -> u64 {
        if !self.0.timed {
            return 0;
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(0, |since| since.as_secs() / 60)
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rules({})", self.len())
    }
}
