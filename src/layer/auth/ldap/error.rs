use std::{error::Error, fmt, io};

use super::message::Outcome;
use crate::error::TlsError;

/// A directory could not tell: it is away, speaks nonsense, or is not set up as it has to be.
///
/// It is inside of an [`AuthError::Verifier`](crate::error::AuthError::Verifier). The text has the server and what it was
/// asked for, and never a password.
#[derive(Debug)]
pub struct LdapError {
    server: String,
    failure: Failure,
}

impl LdapError {
    pub(super) fn new(server: &impl fmt::Display, failure: Failure) -> Self {
        Self {
            server: server.to_string(),
            failure,
        }
    }

    /// Tells whether the server is away: no connection, no answer in time, or busy. Otherwise it is for an operator to mend.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.failure.is_away()
    }
}

impl fmt::Display for LdapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LDAP server {}: {}", self.server, self.failure)
    }
}

impl Error for LdapError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.failure {
            Failure::Io(_, error) => Some(error),
            Failure::Tls(error) => Some(error),
            _ => None,
        }
    }
}

/// What went wrong, while doing what.
#[derive(Debug)]
pub(super) enum Failure {
    Io(&'static str, io::Error),
    Slow(&'static str),
    Tls(TlsError),
    /// It has failed a moment ago, and is not asked for a time.
    Away,
    Malformed,
    /// More than an answer may have.
    TooMuch(&'static str),
    Code(&'static str, Outcome),
    /// The entry of a user has something that cannot be used.
    Entry(String),
}

/// Codes of results (RFC 4511 appendix A).
pub(super) mod code {
    pub(in super::super) const SUCCESS: u32 = 0;
    pub(in super::super) const SIZE_LIMIT_EXCEEDED: u32 = 4;
    pub(in super::super) const REFERRAL: u32 = 10;
    pub(in super::super) const CONSTRAINT_VIOLATION: u32 = 19;
    pub(in super::super) const NO_SUCH_OBJECT: u32 = 32;
    pub(in super::super) const INVALID_DN_SYNTAX: u32 = 34;
    pub(in super::super) const INAPPROPRIATE_AUTHENTICATION: u32 = 48;
    pub(in super::super) const INVALID_CREDENTIALS: u32 = 49;
    pub(in super::super) const BUSY: u32 = 51;
    pub(in super::super) const UNAVAILABLE: u32 = 52;
    pub(in super::super) const UNWILLING_TO_PERFORM: u32 = 53;
}

impl Failure {
    /// Whether another server may do better.
    pub(super) const fn is_away(&self) -> bool {
        match self {
            Self::Io(..) | Self::Slow(_) | Self::Tls(_) | Self::Away | Self::Malformed => true,
            Self::Code(_, outcome) => matches!(outcome.code, code::BUSY | code::UNAVAILABLE),
            Self::TooMuch(_) | Self::Entry(_) => false,
        }
    }

    /// Whether a connection that was idle may have ended meanwhile.
    pub(super) const fn is_stale(&self) -> bool {
        matches!(self, Self::Io(..))
    }
}

impl Failure {
    /// For who runs this: with what would mend it.
    pub(super) fn told(&self) -> String {
        match self {
            Self::Tls(error) => error.told(),
            _ => self.to_string(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(doing, error) => write!(f, "{doing}: {error}"),
            Self::Slow(doing) => write!(f, "{doing}: no answer in time"),
            Self::Tls(error) => write!(f, "TLS: {error}"),
            Self::Away => f.write_str("is away, and is asked again in some seconds"),
            Self::Malformed => f.write_str("what it sends is no LDAP"),
            Self::TooMuch(what) => f.write_str(what),
            Self::Code(doing, outcome) => {
                write!(f, "{doing}: {outcome}")?;
                f.write_str(match outcome.code {
                    code::REFERRAL => {
                        "; it refers to another server, which is not followed: ask that one"
                    }
                    8 | 13 => "; it wants TLS: ldaps://, or StartTLS",
                    _ => "",
                })
            }
            Self::Entry(problem) => f.write_str(problem),
        }
    }
}

/// The code, its name, and the words of the server, escaped and cut.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.code {
            1 => "operationsError",
            3 => "timeLimitExceeded",
            code::SIZE_LIMIT_EXCEEDED => "sizeLimitExceeded",
            7 => "authMethodNotSupported",
            8 => "strongerAuthRequired",
            code::REFERRAL => "referral",
            11 => "adminLimitExceeded",
            13 => "confidentialityRequired",
            code::CONSTRAINT_VIOLATION => "constraintViolation",
            code::NO_SUCH_OBJECT => "noSuchObject",
            code::INVALID_DN_SYNTAX => "invalidDNSyntax",
            code::INAPPROPRIATE_AUTHENTICATION => "inappropriateAuthentication",
            code::INVALID_CREDENTIALS => "invalidCredentials",
            50 => "insufficientAccessRights",
            code::BUSY => "busy",
            code::UNAVAILABLE => "unavailable",
            code::UNWILLING_TO_PERFORM => "unwillingToPerform",
            _ => "result",
        };
        write!(f, "{name} ({})", self.code)?;
        let text: String = self.text.chars().take(128).collect();
        match &*text {
            "" => Ok(()),
            text => write!(f, " \"{}\"", text.escape_debug()),
        }
    }
}

/// Settings that no directory can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidLdap(pub(super) String);

impl fmt::Display for InvalidLdap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for InvalidLdap {}
