//! An error that refuses a request.

use std::{borrow::Cow, error::Error, fmt};

use super::{BoxError, Fault};
use crate::proto::ReplyCode;

/// An error with a reply code of its own (RFC 1928 section 6).
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
    rule: Option<Cow<'static, str>>,
    fault: Option<Fault>,
    source: Option<BoxError>,
}

impl Refusal {
    /// Refuses with any code. `reason` goes to the log, never to the client.
    pub fn new(code: ReplyCode, reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            reason: reason.into(),
            rule: None,
            fault: None,
            source: None,
        }
    }

    /// Refuses by policy, with code 02.
    pub fn not_allowed(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ReplyCode::NOT_ALLOWED, reason)
    }

    /// Sets the name of the rule or limit that it comes from. It is a label of
    /// [metrics](crate::layer), so nothing that a client can invent belongs into it.
    #[must_use]
    pub fn with_rule(mut self, rule: impl Into<Cow<'static, str>>) -> Self {
        self.rule = Some(rule.into());
        self
    }

    /// Returns the rule or limit that it comes from, such as `rule 2 (no mail)` or `limit tunnels`.
    #[must_use]
    pub fn rule(&self) -> Option<&str> {
        self.rule.as_deref()
    }

    /// Sets whose fault it is, where the code does not tell: 02 is a refusal, 07 and 08 are the
    /// client's, other codes the target's, and 01 is ours, unless its source is somebody else's.
    ///
    /// ```
    /// use tower_socks::{Refusal, error::Fault, proto::ReplyCode};
    ///
    /// let code = ReplyCode::GENERAL_FAILURE;
    /// let refusal = Refusal::new(code, "no such tenant").with_fault(Fault::Client);
    /// assert_eq!(Fault::of(&refusal), Fault::Client);
    /// ```
    #[must_use]
    pub const fn with_fault(mut self, fault: Fault) -> Self {
        self.fault = Some(fault);
        self
    }

    pub(super) const fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// Sets the error that led to it.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Returns the reply code, before any mapping of the
    /// [handshake's](crate::HandshakeLayer::reply_code).
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
