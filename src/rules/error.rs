use std::fmt;

/// Why text is no condition of a rule. Says what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidCondition(String);

impl InvalidCondition {
    pub(super) fn new(problem: impl fmt::Display) -> Self {
        Self(problem.to_string())
    }
}

impl fmt::Display for InvalidCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidCondition {}

/// Why [`RuleMap`](super::RuleMap) cannot say which rule is the first to match: one states a
/// destination, and the request states none, as UDP ASSOCIATE, and BIND for any peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undecided(pub(super) ());

impl fmt::Display for Undecided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it depends on a destination that is not known yet")
    }
}

impl std::error::Error for Undecided {}

/// A rule, or a group, that names what is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidRule {
    location: Vec<String>,
    place: String,
    problem: String,
}

impl InvalidRule {
    /// `number` counts from 1.
    pub(super) fn rule(number: usize, field: &str, problem: impl fmt::Display) -> Self {
        let index = number.saturating_sub(1).to_string();
        Self {
            location: vec!["rules".into(), index, field.into()],
            place: format!("rule {number}, {field}"),
            problem: problem.to_string(),
        }
    }

    pub(super) fn group(name: &str, problem: impl fmt::Display) -> Self {
        Self {
            location: vec!["groups".into(), name.into()],
            place: format!("group {name}"),
            problem: problem.to_string(),
        }
    }

    /// Returns where it stands in a file: keys, and places in lists, which count from 0.
    #[must_use]
    pub fn location(&self) -> &[String] {
        &self.location
    }
}

impl fmt::Display for InvalidRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

impl std::error::Error for InvalidRule {}
