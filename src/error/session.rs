//! The errors of sessions, and whose fault one was.

use std::{error::Error, fmt};

use super::{AuthError, BoxError, Refusal, chain::find, reply_code, step::Step};
use crate::{
    proto::ReplyCode,
    relay::{RelayError, RelayErrorKind},
};

/// Whose fault it was that a session failed; it sets the level of the log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// The client sent garbage, was too slow, or left. Logged at debug: anybody can do that, as
    /// often as they like.
    Client,
    /// The client or its request was refused: credentials or policy. Logged at info.
    Refused,
    /// The target cannot be reached, or broke off. Logged at info.
    Target,
    /// Ours: descriptors, a verifier, a bug. Logged at warn.
    Server,
}

/// Why a session ended early: the error of [`Handshake`](crate::layer::handshake::Handshake).
#[derive(Debug)]
pub struct SessionError {
    step: Step,
    source: BoxError,
}

impl SessionError {
    pub(crate) fn new(step: Step, source: impl Into<BoxError>) -> Self {
        Self {
            step,
            source: source.into(),
        }
    }

    /// Returns the step of the dialogue at which it ended.
    #[must_use]
    pub const fn step(&self) -> Step {
        self.step
    }

    /// Returns whose fault it was.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self.step {
            Step::Authentication => match find::<AuthError>(&*self.source) {
                Some(AuthError::Verifier(_)) => Fault::Server,
                Some(AuthError::Denied) => Fault::Refused,
                // Refused before there was anything to verify.
                None if find::<Refusal>(&*self.source).is_some() => Fault::Refused,
                Some(AuthError::NoAcceptableMethod) | None => Fault::Client,
            },
            Step::Greeting | Step::Request | Step::Reply => Fault::Client,
            Step::Dial => match reply_code(&*self.source) {
                ReplyCode::NOT_ALLOWED => Fault::Refused,
                ReplyCode::GENERAL_FAILURE => Fault::Server,
                ReplyCode::COMMAND_NOT_SUPPORTED | ReplyCode::ADDRESS_TYPE_NOT_SUPPORTED => {
                    Fault::Client
                }
                _ => Fault::Target,
            },
            Step::Relay => match find::<RelayError>(&*self.source).map(RelayError::kind) {
                Some(RelayErrorKind::Client) => Fault::Client,
                Some(RelayErrorKind::Limit) => Fault::Refused,
                _ if reply_code(&*self.source) == ReplyCode::NOT_ALLOWED => Fault::Refused,
                _ => Fault::Target,
            },
        }
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed", self.step)
    }
}

impl Error for SessionError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}
