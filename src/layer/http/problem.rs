//! What is wrong with a request before anybody looks at who asks for what.

use std::fmt;

/// Why a request is answered with a page and executed by nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// It is not HTTP/1.1, or could be read in two manners. The text is for the log and the page.
    Malformed(&'static str),
    /// Its head has more octets or fields than a head may have.
    TooLarge,
    /// Its head did not arrive in time.
    TooSlow,
    /// A version of HTTP that is not spoken here.
    Version,
    /// An expectation other than `100-continue`.
    Expectation,
    /// A scheme other than `http`.
    Scheme,
    /// TRACE, which sends back what it was sent, fields of other proxies among it.
    Trace,
    /// Asks this server for a page of its own.
    Page,
    /// Has come through here before.
    Loop,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed(what) => what,
            Self::TooLarge => "the head of the request is too large",
            Self::TooSlow => "the head of the request did not arrive in time",
            Self::Version => "a version of HTTP other than 1.0 and 1.1",
            Self::Expectation => "an expectation other than 100-continue",
            Self::Scheme => "a URL with a scheme other than http",
            Self::Trace => "TRACE is not forwarded",
            Self::Page => "a request for a page of this server, which is a proxy",
            Self::Loop => "the request has come through this proxy before",
        })
    }
}

impl std::error::Error for Problem {}
