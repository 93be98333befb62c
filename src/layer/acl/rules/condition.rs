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
