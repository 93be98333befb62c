//! The errors of sessions.

use std::{error::Error, fmt};

use super::{AuthError, BoxError, Fault, Refusal, chain::find, reply_code, step::Step};
use crate::{
    proto::ReplyCode,
    relay::{RelayError, RelayErrorKind},
};

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
                Some(AuthError::Denied | AuthError::Unproven(_)) => Fault::Refused,
                // Refused before there was anything to verify.
                None => find::<Refusal>(&*self.source).map_or(Fault::Client, |refusal| {
                    refusal.fault().unwrap_or(Fault::Refused)
                }),
                Some(AuthError::NoAcceptableMethod) => Fault::Client,
            },
            #[cfg(feature = "tls")]
            Step::Tls => find(&*self.source).map_or(Fault::Client, super::TlsError::fault),
            #[cfg(not(feature = "tls"))]
            Step::Tls => Fault::Client,
            Step::ProxyHeader => {
                let refusal = find::<Refusal>(&*self.source);
                refusal.map_or(Fault::Client, |_| Fault::Refused)
            }
            Step::Greeting | Step::Request | Step::Reply => Fault::Client,
            Step::Dial => Fault::of(&*self.source),
            Step::Relay => match find::<RelayError>(&*self.source).map(RelayError::kind) {
                Some(RelayErrorKind::Client) => Fault::Client,
                Some(kind) if kind.is_refusal() || kind == RelayErrorKind::Drained => {
                    Fault::Refused
                }
                _ if reply_code(&*self.source) == ReplyCode::NOT_ALLOWED => Fault::Refused,
                // A proxy's, or this machine's; or the tunnel waited for somebody: BIND.
                Some(RelayErrorKind::Transport) | None => {
                    Fault::known(&*self.source).unwrap_or(Fault::Target)
                }
                Some(_) => Fault::Target,
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
