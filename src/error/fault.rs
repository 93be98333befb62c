//! Whose fault an error was.

/// Whose fault it was that a session failed; it sets the level of the log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// The client sent garbage, was too slow, left, or asked for what cannot be. Logged at debug:
    /// anybody can do that, as often as they like.
    Client,
    /// The client or its request was refused: credentials or policy. Logged at info.
    Refused,
    /// The target cannot be reached, or broke off. Logged at info.
    Target,
    /// The upstream did not do what it was asked for: it cannot be reached, does not let us in, speaks
    /// nonsense, or failed without saying more than that (REP 01, HTTP 502). Logged at info; an
    /// upstream that works for nobody has a warning of its own.
    Upstream,
    /// Ours: descriptors, local ports, the name server, a verifier, a bug. Logged at warn.
    Server,
}
