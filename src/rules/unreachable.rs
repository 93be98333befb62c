//! Rules that never decide anything.

use std::fmt;

use super::{
    builder::RulesBuilder,
    destination::{Destination, Kind},
    explain::rule_text,
    network::Network,
    ports::PortRange,
    rule::Rule,
};

/// Of so many rules it is looked for.
const RULES: usize = 2_000;

/// Comparisons of values, of all rules together: some 10 ms.
const COMPARISONS: usize = 4_000_000;

/// A rule that never decides about a destination, because an earlier one has decided the same requests before.
/// [`RulesBuilder::unreachable`] finds them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unreachable {
    /// What the log calls the rule: `rule 3 (no mail)`.
    pub rule: String,
    /// The same of the earlier one.
    pub earlier: String,
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, earlier } = self;
        write!(
            f,
            "{rule} is never reached: {earlier} matches all that it matches"
        )
    }
}

impl RulesBuilder {
    /// Returns the rules that never decide about a destination, in order, each with an earlier one that does it for them.
    ///
    /// It is sound: without a rule that it returns the same would be allowed. It is not complete: what only several earlier
    /// rules together cover is not found, nor are values that mean the same in other words, nor rules beyond the first
    /// 2,000, nor what takes more than some million comparisons of values. A rule that it returns may still be why a name is looked up, or an association is opened, whose destinations
    /// others judge then.
    ///
    /// ```
    /// use tower_socks::rules::{Action, Rule, Rules};
    ///
    /// let rules = Rules::builder(Action::Deny)
    ///     .rule(Rule::new(Action::Deny).port(1..=1000))
    ///     .rule(Rule::new(Action::Allow).named("mail").user("joe").port(25));
    /// let unreachable = rules.unreachable();
    /// assert_eq!(
    ///     unreachable[0].to_string(),
    ///     "rule 2 (mail) is never reached: rule 1 matches all that it matches",
    /// );
    /// ```
    #[must_use]
    pub fn unreachable(&self) -> Vec<Unreachable> {
        let rules = self.stated_rules();
        let is_protected = !self.is_private_allowed();
        // Where a rule that allows does not match, since something protects the destination, one that denies may.
        let opening = |rule: &Rule| rule.action.allows() && !rule.destinations.is_empty();
        let last_opening = rules.iter().rposition(opening);
        let looked_at = rules.get(..RULES).unwrap_or(rules);
        let mut found = Vec::new();
        let mut left = COMPARISONS;
        for (at, rule) in looked_at.iter().enumerate() {
            let opened = match last_opening {
                _ if !is_protected => Opened::All,
                Some(last) if last > at => Opened::Later,
                _ => Opened::Never,
            };
            let mut earlier = looked_at.iter().take(at).enumerate();
            if let Some((covering, other)) =
                earlier.find(|(_, other)| covers(other, rule, opened, &mut left))
            {
                found.push(Unreachable {
                    rule: rule_text(at + 1, rule.name()),
                    earlier: rule_text(covering + 1, other.name()),
                });
            }
        }
        found
    }
}

/// Whether special-purpose addresses and the like are opened by a rule.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Opened {
    /// None is protected.
    All,
    /// By one that comes later.
    Later,
    /// Not by a later one.
    Never,
}

/// Whether the first decides all that the second could decide, to the same effect where it has one.
fn covers(first: &Rule, second: &Rule, opened: Opened, left: &mut usize) -> bool {
    first.protocols.cover(second.protocols)
        && covers_all(&first.ports, &second.ports, left, PortRange::covers)
        && covers_all(&first.commands, &second.commands, left, PartialEq::eq)
        && covers_all(&first.hours, &second.hours, left, PartialEq::eq)
        && covers_all(&first.days, &second.days, left, PartialEq::eq)
        && covers_all(&first.clients, &second.clients, left, is_around)
        && covers_all(&first.groups, &second.groups, left, PartialEq::eq)
        && covers_all(&first.users, &second.users, left, PartialEq::eq)
        && match (first.action.allows(), second.action.allows()) {
            (false, _) => covers_all(&first.destinations, &second.destinations, left, includes),
            (true, true) if opened == Opened::All => {
                covers_all(&first.destinations, &second.destinations, left, includes)
            }
            // It may open what is protected, which takes the very same words.
            (true, true) => {
                let is_same = first.destinations.is_empty() == second.destinations.is_empty();
                is_same
                    && covers_all(
                        &first.destinations,
                        &second.destinations,
                        left,
                        PartialEq::eq,
                    )
            }
            // Names that an upstream resolves are refused because of networks that are denied.
            (true, false) => {
                let is_name = |to: &Destination| !matches!(to.0, Kind::Network(_));
                let has_names =
                    !second.destinations.is_empty() && second.destinations.iter().all(is_name);
                let is_first = first.destinations.is_empty() || has_names;
                opened != Opened::Later
                    && is_first
                    && covers_all(
                        &first.destinations,
                        &second.destinations,
                        left,
                        PartialEq::eq,
                    )
            }
        }
}

/// Whether each value of the second condition is in one of the first; a condition without values always holds. Nothing is, once
/// no comparisons are left.
fn covers_all<T>(
    first: &[T],
    second: &[T],
    left: &mut usize,
    covers: impl Fn(&T, &T) -> bool,
) -> bool {
    if first.is_empty() || second.is_empty() {
        return first.is_empty();
    }
    match left.checked_sub(first.len().saturating_mul(second.len())) {
        Some(rest) => *left = rest,
        None => return false,
    }
    second
        .iter()
        .all(|inner| first.iter().any(|outer| covers(outer, inner)))
}

fn is_around(outer: &Network, inner: &Network) -> bool {
    outer.prefix_len() <= inner.prefix_len()
        && outer.first().is_ipv4() == inner.first().is_ipv4()
        && outer.contains(inner.first())
}

fn includes(outer: &Destination, inner: &Destination) -> bool {
    match (&outer.0, &inner.0) {
        (Kind::Network(outer), Kind::Network(inner)) => is_around(outer, inner),
        (Kind::Below(outer), Kind::Name(inner) | Kind::Below(inner))
            if inner
                .strip_suffix(&**outer)
                .is_some_and(|above| above.ends_with('.')) =>
        {
            true
        }
        (outer, inner) => outer == inner,
    }
}
