//! What the errors of requests to proxies say.

use std::fmt;

use super::{client::ClientError, step::Step};
use crate::proto::{self, Method, MethodSet};

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { proxy, .. } => write!(f, "proxy {proxy} could not be reached"),
            Self::Io { step, .. } => write!(f, "connection to the proxy broke off ({step})"),
            Self::Closed { step: Step::Greeting } => f.write_str(
                "proxy closed the connection without a word: is it one for SOCKS5, and may we use it?",
            ),
            Self::Closed { step: Step::Relay } => {
                f.write_str("proxy ended the association: ask for another one")
            }
            Self::Closed { step } => write!(f, "proxy closed the connection ({step})"),
            Self::TimedOut { step: Step::Dial, limit, .. } => {
                write!(f, "nobody connected to the proxy for us within {limit:?}")
            }
            Self::TimedOut { step, limit, .. } => {
                write!(f, "proxy took longer than {limit:?} ({step})")
            }
            Self::NotSocks { step, source } => {
                let version = match source {
                    proto::Error::Version { expected: 0, .. } => 4,
                    _ => 5,
                };
                write!(
                    f,
                    "what the proxy says is not SOCKS{version} ({step}): check its address and port"
                )
            }
            Self::NotOffered { selected, offered } => write!(
                f,
                "proxy selected {selected}, and was offered {}",
                List(offered)
            ),
            Self::NotPipelined { selected, method } => write!(
                f,
                "proxy selected {selected}, and the client had gone ahead with {method}: do not be \
                 optimistic with this one"
            ),
            Self::NoAcceptableMethod { offered } => {
                write!(f, "proxy accepts none of the offered methods ({})", List(offered))?;
                match offered.contains(Method::USERNAME_PASSWORD) {
                    true => Ok(()),
                    false => f.write_str(": it may want a name and a password"),
                }
            }
            Self::Denied => f.write_str("proxy denied access: check the name and the password"),
            Self::Authentication(_) => f.write_str("authentication with the proxy failed"),
            Self::Refused(code) => write!(f, "proxy replied: {code}"),
            Self::NotResolved(found) => write!(
                f,
                "proxy replied with {found}, which is not what a lookup leads to: does it know RESOLVE?"
            ),
            Self::Rejected(code) => write!(f, "proxy replied: {code}"),
            Self::Unencodable(_) => f.write_str("the request cannot be told in SOCKS4"),
            Self::NoRelay(address) => write!(
                f,
                "proxy takes datagrams at {address}, where nothing can be sent to: tell the client \
                 the proxy's address, or the proxy its own"
            ),
            Self::ForeignRelay { relay, proxy: Some(proxy) } => write!(
                f,
                "proxy takes datagrams at {relay}, and its own address is {}: allow any relay, if this \
                 is right",
                proxy.ip()
            ),
            Self::ForeignRelay { relay, proxy: None } => write!(
                f,
                "proxy takes datagrams at {relay}, which is no address of the internet: tell the client \
                 the proxy's address, or allow any relay"
            ),
            Self::Socket(_) => f.write_str("no UDP socket towards the proxy"),
            Self::InvalidProxy(_) => f.write_str("the proxy has no valid address"),
            Self::InvalidTarget(_) => f.write_str("the target has no valid address"),
            Self::TooLarge { len, most } => {
                write!(f, "payload of {len} octets, where there is room for {most}")
            }
            Self::BadFrame { .. } => f.write_str(
                "proxy sent a malformed frame of UDP over TCP: does it speak another version of that?",
            ),
            Self::OtherDestination { destination } => {
                write!(f, "datagrams of this socket go to {destination} alone")
            }
        }
    }
}

/// Displays methods, separated by commas.
struct List<'a>(&'a MethodSet);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, method) in self.0.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            write!(f, "{comma}{method}")?;
        }
        Ok(())
    }
}
