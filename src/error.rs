//! What goes wrong, and the one place where it becomes a reply code.
//!
//! Services below [`AuthLayer`](crate::AuthLayer) fail with any error at all. The handshake asks
//! [`reply_code`] what the client is told, and [`Fault`] says at which level it is logged:
//!
//! | error, found anywhere in the `source()` chain | REP |
//! |---|---|
//! | [`Refusal`] | its own code |
//! | [`ClientError`](crate::ClientError), where another proxy has replied | the code of its reply |
//! | `Elapsed`, tower's or tokio's | 06 TTL expired |
//! | tower's `Overloaded` | 01 general failure |
//! | [`io::ErrorKind::ConnectionRefused`] | 05 connection refused |
//! | [`io::ErrorKind::HostUnreachable`] | 04 host unreachable |
//! | [`io::ErrorKind::NetworkUnreachable`], [`NetworkDown`](io::ErrorKind::NetworkDown) | 03 network unreachable |
//! | [`io::ErrorKind::TimedOut`] | 06 TTL expired |
//! | address family not supported by the system | 08 address type not supported |
//! | anything else | 01 general failure, never a guess |
//!
//! The outermost of several wins. [`HandshakeLayer::reply_code`](crate::HandshakeLayer::reply_code)
//! replaces the table.

use std::{borrow::Cow, error::Error, fmt, io};

use tower::{load_shed::error::Overloaded, timeout::error::Elapsed};

use crate::{
    proto::ReplyCode,
    relay::{RelayError, RelayErrorKind},
};

/// The error of every service in a stack, tower's own.
pub type BoxError = tower::BoxError;

/// A "no" with the reply code that the client shall see (RFC 1928 section 6).
///
/// ```
/// use tower_socks::{Refusal, error::reply_code, proto::ReplyCode};
///
/// let refusal = Refusal::not_allowed("no mail from here");
/// assert_eq!(reply_code(&refusal), ReplyCode::NOT_ALLOWED);
/// ```
#[derive(Debug)]
pub struct Refusal {
    code: ReplyCode,
    reason: Cow<'static, str>,
    ruled_by: Option<Cow<'static, str>>,
    source: Option<BoxError>,
}

impl Refusal {
    /// A refusal with any code. `reason` goes to the log, never to the client.
    pub fn new(code: ReplyCode, reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            reason: reason.into(),
            ruled_by: None,
            source: None,
        }
    }

    /// Refused by policy: code 02.
    pub fn not_allowed(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ReplyCode::NOT_ALLOWED, reason)
    }

    /// The same refusal, with the name of the rule or limit that it comes from. It is a label of
    /// [metrics](crate::layer), so nothing that a client can invent belongs into it.
    #[must_use]
    pub fn by(mut self, rule: impl Into<Cow<'static, str>>) -> Self {
        self.ruled_by = Some(rule.into());
        self
    }

    /// The rule or limit that it comes from, such as `rule 2 (no mail)` or `limit tunnels`.
    #[must_use]
    pub fn ruled_by(&self) -> Option<&str> {
        self.ruled_by.as_deref()
    }

    /// The same refusal, with the error that led to it.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What the client is told.
    #[must_use]
    pub const fn code(&self) -> ReplyCode {
        self.code
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl Error for Refusal {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// Why authentication came to nothing.
///
/// A verifier for [`UserPass`](crate::UserPass) returns [`AuthError::Denied`] for a wrong name or
/// password. Any other error of a verifier is taken for a failure on our side and logged as such;
/// the client sees the same answer.
#[derive(Debug)]
#[non_exhaustive]
pub enum AuthError {
    /// The client offers no method that the server takes.
    NoAcceptableMethod,
    /// The client could not prove who it is.
    Denied,
    /// The verifier failed, so nobody knows.
    Verifier(BoxError),
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoAcceptableMethod => "none of the offered methods is acceptable",
            Self::Denied => "wrong name or password",
            Self::Verifier(_) => "credentials could not be verified",
        })
    }
}

impl Error for AuthError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NoAcceptableMethod | Self::Denied => None,
            Self::Verifier(source) => Some(&**source),
        }
    }
}

/// How far a session came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// Version identifier and method selection (RFC 1928 section 3).
    Greeting,
    /// The sub-negotiation of the selected method.
    Authentication,
    /// Reading the request (RFC 1928 section 4).
    Request,
    /// Carrying the request out.
    Dial,
    /// Writing the reply (RFC 1928 section 6).
    Reply,
    /// Moving bytes.
    Relay,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Greeting => "greeting",
            Self::Authentication => "authentication",
            Self::Request => "request",
            Self::Dial => "dial",
            Self::Reply => "reply",
            Self::Relay => "relay",
        })
    }
}

/// Whose fault it was that a session failed; it sets the level of the log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// The client sent garbage, was too slow, or left. Logged at debug: anybody can do that, as
    /// often as they like.
    Client,
    /// The client was turned away: credentials or policy. Logged at info.
    Refused,
    /// The target cannot be reached, or broke off. Logged at info.
    Target,
    /// Ours: descriptors, a verifier, a bug. Logged at warn.
    Server,
}

/// Why a session ended early: the error of [`Handshake`](crate::Handshake).
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

    /// The step of the dialogue at which it ended.
    #[must_use]
    pub const fn step(&self) -> Step {
        self.step
    }

    /// Whose fault it was.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self.step {
            Step::Authentication => match find::<AuthError>(&*self.source) {
                Some(AuthError::Verifier(_)) => Fault::Server,
                Some(AuthError::Denied) => Fault::Refused,
                // Turned away before there was anything to verify.
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

/// An error and its causes on one line.
#[derive(Debug)]
pub(crate) struct Chain<'a>(pub(crate) &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.0, f)?;
        let mut last = self.0.to_string();
        for cause in causes(self.0).skip(1) {
            // Wrappers often repeat what they wrap.
            let text = cause.to_string();
            if !last.ends_with(&text) {
                write!(f, ": {text}")?;
            }
            last = text;
        }
        Ok(())
    }
}

/// The reply code for an error, by the table of [this module](self).
#[must_use]
pub fn reply_code(error: &(dyn Error + 'static)) -> ReplyCode {
    causes(error)
        .find_map(|cause| {
            if let Some(refusal) = cause.downcast_ref::<Refusal>() {
                Some(refusal.code())
            } else if cause.is::<Elapsed>() || cause.is::<tokio::time::error::Elapsed>() {
                Some(ReplyCode::TTL_EXPIRED)
            } else if cause.is::<Overloaded>() {
                Some(ReplyCode::GENERAL_FAILURE)
            } else {
                cause.downcast_ref().and_then(io_reply_code)
            }
        })
        .unwrap_or(ReplyCode::GENERAL_FAILURE)
}

fn io_reply_code(error: &io::Error) -> Option<ReplyCode> {
    /// EAFNOSUPPORT, for which the standard library has no kind.
    const FAMILY_UNSUPPORTED: i32 = if cfg!(windows) {
        10047
    } else if cfg!(any(target_os = "linux", target_os = "android")) {
        97
    } else {
        47
    };
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Some(ReplyCode::CONNECTION_REFUSED),
        io::ErrorKind::HostUnreachable => Some(ReplyCode::HOST_UNREACHABLE),
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown => {
            Some(ReplyCode::NETWORK_UNREACHABLE)
        }
        io::ErrorKind::TimedOut => Some(ReplyCode::TTL_EXPIRED),
        _ if error.raw_os_error() == Some(FAMILY_UNSUPPORTED) => {
            Some(ReplyCode::ADDRESS_TYPE_NOT_SUPPORTED)
        }
        _ => None,
    }
}

/// The first error of type `E` in the chain.
pub(crate) fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// The error and everything it came from, outermost first.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        // `io::Error::source` skips the error that it wraps.
        let wrapped = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
            .map(|inner| inner as &(dyn Error + 'static));
        wrapped.or_else(|| error.source())
    })
}
