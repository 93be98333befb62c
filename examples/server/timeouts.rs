//! Time limits, from the file.

use std::{fmt, num::NonZeroU8, time::Duration};

use serde::{Deserialize, Deserializer, de};
use tower_socks::{io::Keepalive, relay::Relay};

/// `[timeouts]`, with the library's defaults.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Timeouts {
    /// Greeting, authentication and request together.
    pub(crate) handshake: Span,
    /// Carrying a request out.
    pub(crate) dial: Span,
    /// A tunnel without traffic.
    idle: OrOff,
    /// A half-closed tunnel without traffic.
    half_closed: OrOff,
    /// The peer of a BIND to come.
    pub(crate) bind_accept: Span,
    /// An association without datagrams of its client's.
    pub(crate) udp_idle: Span,
    /// The same, until another port of the client's address may take over.
    pub(crate) udp_rebind: OrOff,
    /// Sessions after the signal to stop.
    pub(crate) drain: Span,
    /// Those in which nothing moves, if they have less.
    pub(crate) drain_idle: Option<Span>,
    /// From that signal until clients are accepted no more.
    pub(crate) drain_delay: Option<Span>,
    /// An idle connection, until its peer is asked whether it is still there.
    keepalive: OrOff,
    /// Between two of these questions.
    keepalive_interval: Span,
    /// So many without an answer, and the connection is reset.
    keepalive_probes: NonZeroU8,
    /// What was sent and not acknowledged, until its connection is reset.
    unacknowledged: OrOff,
}

impl Default for Timeouts {
    fn default() -> Self {
        let seconds = |seconds| Span(Duration::from_secs(seconds));
        Self {
            handshake: seconds(10),
            dial: seconds(30),
            idle: seconds(2 * 3600 + 4 * 60).into(),
            half_closed: seconds(4 * 60).into(),
            bind_accept: seconds(2 * 60),
            udp_idle: seconds(5 * 60),
            udp_rebind: seconds(30).into(),
            drain: seconds(30),
            drain_idle: None,
            drain_delay: None,
            keepalive: seconds(60).into(),
            keepalive_interval: seconds(10),
            keepalive_probes: const { NonZeroU8::new(6).unwrap() },
            unacknowledged: OrOff(None),
        }
    }
}

impl Timeouts {
    /// How soon a client or a target that has vanished is noticed.
    pub(crate) fn keepalive(&self) -> Keepalive {
        let keepalive = match self.keepalive {
            OrOff(None) => Keepalive::off(),
            OrOff(Some(idle)) => Keepalive::new()
                .idle(idle.0)
                .interval(self.keepalive_interval.0)
                .probes(self.keepalive_probes.get().into()),
        };
        match self.unacknowledged {
            OrOff(None) => keepalive,
            OrOff(Some(limit)) => keepalive.unacknowledged(limit.0),
        }
    }

    /// The limits of a tunnel.
    pub(crate) const fn relay(&self) -> Relay {
        Relay::new()
            .idle_timeout(self.idle.limit())
            .half_close_timeout(self.half_closed.limit())
    }
}

/// A span of time, written like `30s` or `2h 4m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(SpanVisitor)
    }
}

struct SpanVisitor;

impl de::Visitor<'_> for SpanVisitor {
    type Value = Span;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time, such as \"30s\" or \"2h 4m\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
        if text == OFF {
            return Err(E::custom(
                "this cannot be off: without a limit, what never ends would hold its place for ever. Write a long \
                 time, like \"12h\"",
            ));
        }
        let span = text.parse::<jiff::SignedDuration>().ok();
        span.and_then(|span| Duration::try_from(span).ok())
            .filter(|span| !span.is_zero())
            .map(Span)
            .ok_or_else(|| {
                E::custom(format_args!(
                    "`{text}` is no time that something can take: write it like \"30s\" or \"2h 4m\""
                ))
            })
    }
}

/// What stands for no limit.
const OFF: &str = "off";

/// A span of time, or none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OrOff(Option<Span>);

impl OrOff {
    /// Returns the time, if it is not off.
    #[cfg(feature = "radius")]
    pub(crate) fn span(self) -> Option<Duration> {
        self.0.map(|span| span.0)
    }

    /// Returns the time; where it is off, the longest that there is, which is no limit.
    pub(crate) const fn limit(self) -> Duration {
        match self.0 {
            Some(span) => span.0,
            None => Duration::MAX,
        }
    }
}

impl From<Span> for OrOff {
    fn from(span: Span) -> Self {
        Self(Some(span))
    }
}

impl<'de> Deserialize<'de> for OrOff {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(OrOffVisitor)
    }
}

struct OrOffVisitor;

impl de::Visitor<'_> for OrOffVisitor {
    type Value = OrOff;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a time, such as \"30s\" or \"2h 4m\", or \"{OFF}\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<OrOff, E> {
        match text {
            OFF => Ok(OrOff(None)),
            text => SpanVisitor.visit_str(text).map(OrOff::from),
        }
    }
}
