//! How sessions end.

use std::{fmt, io};

use crate::{
    error::{Chain, Fault, Refusal, SessionError, Step, find},
    relay::{RelayError, RelayErrorKind, Traffic},
};

/// How a session or a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct End {
    /// In which manner.
    pub kind: EndKind,
    /// Whose fault it was, of one that failed.
    pub fault: Option<Fault>,
    /// The step at which it failed.
    pub step: Option<Step>,
    /// The rule or limit that refused it or ended it.
    pub rule: Option<String>,
    /// The error and its causes on one line, with everything escaped that could forge another. It can have the name
    /// or address of the target and the user's name in it.
    pub error: Option<String>,
}

impl End {
    pub(super) const fn without_error(kind: EndKind) -> Self {
        Self {
            kind,
            fault: None,
            step: None,
            rule: None,
            error: None,
        }
    }

    pub(super) fn of(error: &SessionError) -> Self {
        let rule = find::<Refusal>(error).and_then(Refusal::rule);
        Self {
            kind: EndKind::of(error),
            fault: Some(error.fault()),
            step: Some(error.step()),
            rule: rule.map(str::to_owned),
            error: Some(Chain(error).to_string()),
        }
    }
}

/// In which manner a session or a request ended.
///
/// It is written as in the names of [`as_str`](Self::as_str), which logs can be searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndKind {
    /// Both directions had ended, or a response was complete.
    Done,
    /// The client did not get in: wrong credentials, or too many attempts.
    LoginFailed,
    /// A rule or a limit refused it before a tunnel was open.
    Refused,
    /// The target cannot be reached.
    Unreachable,
    /// The upstream did not do what it was asked for.
    Upstream,
    /// It failed on our side: descriptors, the name server, a verifier.
    Failed,
    /// The client left before the reply, was too slow, or sent what is no request.
    Client,
    /// The operator has closed the tunnel.
    Closed,
    /// A policy that has changed closed the tunnel.
    Policy,
    /// A limit closed the tunnel: a quota.
    Limit,
    /// Nothing moved for as long as `idle_timeout`.
    IdleTimeout,
    /// Nothing moved for as long as `half_close_timeout`, and one direction had ended.
    HalfCloseTimeout,
    /// The client's stream broke off.
    ClientBroke,
    /// The target's stream broke off.
    TargetBroke,
    /// The transport of the association's datagrams broke.
    TransportBroke,
    /// The server drained, and the tunnel was idle, or the time for that was over.
    Drained,
    /// It was dropped by a layer above, or with the program.
    Dropped,
    /// A panic, which is a bug.
    Panicked,
}

impl EndKind {
    /// Returns its name: small letters and `_`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::LoginFailed => "login_failed",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Upstream => "upstream",
            Self::Failed => "failed",
            Self::Client => "client",
            Self::Closed => "closed_by_operator",
            Self::Policy => "policy_changed",
            Self::Limit => "limit",
            Self::IdleTimeout => "idle_timeout",
            Self::HalfCloseTimeout => "half_close_timeout",
            Self::ClientBroke => "client_broke",
            Self::TargetBroke => "target_broke",
            Self::TransportBroke => "transport_broke",
            Self::Drained => "drained",
            Self::Dropped => "dropped",
            Self::Panicked => "panicked",
        }
    }

    /// Of a tunnel, as far as it tells itself.
    pub(crate) fn of_tunnel(outcome: &io::Result<Traffic>) -> Self {
        let error = match outcome {
            Ok(_) => return Self::Done,
            Err(error) => error,
        };
        find::<RelayError>(error).map_or(Self::TargetBroke, |relayed| relayed.kind().into())
    }

    fn of(error: &SessionError) -> Self {
        if error.step() == Step::Relay
            && let Some(relayed) = find::<RelayError>(error)
        {
            return relayed.kind().into();
        }
        match (error.fault(), error.step()) {
            (Fault::Client, _) => Self::Client,
            (Fault::Refused, Step::Authentication) => Self::LoginFailed,
            (Fault::Refused, _) => Self::Refused,
            (Fault::Target, Step::Relay) => Self::TargetBroke,
            (Fault::Target, _) => Self::Unreachable,
            (Fault::Upstream, _) => Self::Upstream,
            (Fault::Server, _) => Self::Failed,
        }
    }
}

impl From<RelayErrorKind> for EndKind {
    fn from(kind: RelayErrorKind) -> Self {
        match kind {
            RelayErrorKind::Client => Self::ClientBroke,
            RelayErrorKind::Target => Self::TargetBroke,
            RelayErrorKind::Transport => Self::TransportBroke,
            RelayErrorKind::Limit => Self::Limit,
            RelayErrorKind::Closed => Self::Closed,
            RelayErrorKind::Policy => Self::Policy,
            RelayErrorKind::Idle => Self::IdleTimeout,
            RelayErrorKind::HalfClosed => Self::HalfCloseTimeout,
            RelayErrorKind::Drained => Self::Drained,
        }
    }
}

impl fmt::Display for EndKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
