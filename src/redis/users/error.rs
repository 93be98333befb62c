use std::{error::Error, fmt};

/// Accounts of Redis cannot be told: it is away, or what is written there cannot be taken.
///
/// Inside of an [`AuthError::Verifier`](crate::error::AuthError::Verifier) it says that there were none so far: once there are
/// any, they go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisAccountsError(pub(super) Failure);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    Away,
    /// For who runs this to mend.
    Mistake(String),
}

impl RedisAccountsError {
    /// Tells whether Redis has not answered. Otherwise it is for an operator to mend.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.0 == Failure::Away
    }
}

impl fmt::Display for RedisAccountsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Failure::Away => f.write_str("accounts of Redis: it has not answered"),
            Failure::Mistake(problem) => write!(f, "accounts of Redis: {problem}"),
        }
    }
}

impl Error for RedisAccountsError {}
