use std::{fmt, str::FromStr};

use super::{error::InvalidCondition, network::Network};
use crate::proto::{Host, InvalidName};

/// What a rule states in `to`: a name, all names below one, or a network.
///
/// | text | what |
/// |---|---|
/// | `example.com` | this name, and none below it |
/// | `*.example.com` | every name below `example.com`, at any depth, and **not** `example.com` itself |
/// | `192.0.2.0/24`, `2001:db8::1` | a network, or a single address |
///
/// Case and a dot at the end mean nothing, and names of other scripts are compared in their ASCII
/// form (UTS 46). A non-canonical IP literal (`127.1`) is that address.
///
/// ```
/// use tower_socks::rules::Destination;
///
/// let destination: Destination = "*.Bücher.example.".parse()?;
/// assert_eq!(destination.to_string(), "*.xn--bcher-kva.example");
///
/// let problem = ".example.com".parse::<Destination>().unwrap_err();
/// assert!(problem.to_string().contains("*.example.com"));
/// # Ok::<(), tower_socks::rules::InvalidCondition>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Destination(pub(super) Kind);

#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Name(Box<str>),
    Below(Box<str>),
    Network(Network),
}

impl From<Network> for Destination {
    fn from(network: Network) -> Self {
        Self(Kind::Network(network))
    }
}

impl FromStr for Destination {
    type Err = InvalidCondition;

    fn from_str(text: &str) -> Result<Self, InvalidCondition> {
        let wrong = |problem: &str| Err(InvalidCondition::new(format_args!("`{text}` {problem}")));
        if text.contains("://") {
            return wrong("is an URL: write its host, and the port as `port`");
        }
        if text.contains('/') || text.contains(':') {
            // `[::1]` is how it stands in front of a port.
            let bare = text
                .strip_prefix('[')
                .and_then(|text| text.strip_suffix(']'));
            return match bare.unwrap_or(text).parse::<Network>() {
                Ok(network) => Ok(network.into()),
                Err(_) if text.contains("]:") || text.matches(':').count() == 1 => {
                    wrong("has a port: write it as `port`")
                }
                Err(problem) => Err(problem.into()),
            };
        }
        if text == "*" {
            return wrong("would be everything: leave `to` out");
        }
        if let Some(rest) = text.strip_prefix('.')
            && !rest.is_empty()
        {
            return Err(InvalidCondition::new(format_args!(
                "`{text}` begins with a dot: write `*.{rest}` for the names below, and `{rest}` for \
                 the name itself"
            )));
        }
        let (below, name) = match text.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, text),
        };
        if name.contains('*') {
            return wrong("has a star in it: one is possible as the whole first label only");
        }
        let known = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let unknown = |odd: char| wrong(&format!("is no name: there is no `{odd}` in one"));
        let name = match Host::parse(name) {
            Ok(Host::Name(name)) => name,
            Ok(Host::Ip(_)) if below => return wrong("is a star in front of an address"),
            Ok(Host::Ip(address)) => return Ok(Network::from(address).into()),
            Err(problem) => {
                let odd = name.chars().find(|c| c.is_ascii_graphic() && !known(c));
                return match odd {
                    Some(odd) if problem == InvalidName::Octet => unknown(odd),
                    _ => wrong(&format!("is no name: {problem}")),
                };
            }
        };
        if text.ends_with("..") {
            return wrong("has an empty label");
        }
        // In its ASCII form: there are wide stars.
        if let Some(odd) = name.chars().find(|c| !known(c)) {
            return unknown(odd);
        }
        Ok(Self(if below {
            Kind::Below(name.into())
        } else {
            Kind::Name(name.into())
        }))
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Name(name) => f.write_str(name),
            Kind::Below(name) => write!(f, "*.{name}"),
            Kind::Network(network) => network.fmt(f),
        }
    }
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
