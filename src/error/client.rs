use std::{error::Error, io, net::SocketAddr, time::Duration};

use tokio::time::error::Elapsed;

use super::{BoxError, exhausted::is_exhausted, step::Step};
use crate::proto::{self, Address, Method, MethodSet, ParseAddressError, ReplyCode, socks4};

/// Says why a request to a proxy failed. [`fault`](Self::fault) sums it up.
///
/// [`error::reply_code`](crate::error::reply_code) is the proxy's own reply code, unassigned ones
/// included: a server whose connector is a client of another proxy passes it on. What goes wrong
/// between client and proxy is 01 to the client of that server, be it our password or a network that
/// is down, since it says nothing about the target, whatever the kind of an I/O error is. Too slow a
/// proxy is 06.
///
/// ```
/// use tower_socks::client::{ClientError, ClientFault};
/// use tower_socks::proto::ReplyCode;
///
/// fn worth_another_proxy(error: &ClientError) -> bool {
///     match error.fault() {
///         ClientFault::Proxy | ClientFault::Refused => true,
///         ClientFault::Target(code) => code == ReplyCode::GENERAL_FAILURE,
///         _ => false,
///     }
/// }
/// # assert!(worth_another_proxy(&ClientError::Denied));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientError {
    /// The proxy could not be reached.
    Unreachable {
        /// The proxy.
        proxy: Address,
        /// The error of the connector that dialled it, or the `Elapsed` of its time limit.
        source: BoxError,
    },
    /// The stream to the proxy failed.
    Io {
        /// The step at which it failed.
        step: Step,
        /// The error of the stream.
        source: io::Error,
    },
    /// The proxy closed the stream.
    Closed {
        /// The step at which it failed.
        step: Step,
    },
    /// The proxy was too slow.
    TimedOut {
        /// The step at which it failed. [`Step::Dial`] while the peer of a BIND was awaited, and
        /// [`Step::Request`] while a SOCKS4 proxy said nothing.
        step: Step,
        /// The time that it had.
        limit: Duration,
        /// The timer that ran out.
        source: Elapsed,
    },
    /// The proxy sent something that is not SOCKS5, or not SOCKS4 where it was asked by that.
    NotSocks {
        /// The step at which it failed.
        step: Step,
        /// What is wrong with it.
        source: proto::Error,
    },
    /// The proxy selected a method that was not offered.
    NotOffered {
        /// The selected method.
        selected: Method,
        /// The methods that were offered.
        offered: MethodSet,
    },
    /// The proxy selected another method than the one that an
    /// [optimistic](crate::Client::optimistic) client had sent early.
    NotPipelined {
        /// The selected method.
        selected: Method,
        /// The method whose messages were sent early.
        method: Method,
    },
    /// The proxy accepts none of the offered methods (X'FF').
    NoAcceptableMethod {
        /// The methods that were offered.
        offered: MethodSet,
    },
    /// The proxy denies access: the name and the password are wrong, or what a method of your own sends
    /// in their place.
    Denied,
    /// The sub-negotiation of a method of your own failed, with this error.
    Authentication(BoxError),
    /// The proxy granted access, and its reply to the request is a failure with this code.
    Refused(ReplyCode),
    /// The proxy's reply to RESOLVE has no address in it, or that to RESOLVE_PTR no name: what it has in
    /// their place.
    NotResolved(Address),
    /// The SOCKS4 proxy rejects the request, or could not execute it: it does not tell which.
    Rejected(socks4::ReplyCode),
    /// The request cannot be told in SOCKS4: nothing was sent.
    Unencodable(socks4::Unencodable),
    /// The proxy's relay for datagrams is at an address that nothing can be sent to.
    NoRelay(Address),
    /// The proxy's relay for datagrams is not at the proxy's own address: see
    /// [`Client::any_relay`](crate::Client::any_relay).
    ForeignRelay {
        /// Where it is.
        relay: SocketAddr,
        /// The proxy, if its address is known; with any port.
        proxy: Option<SocketAddr>,
    },
    /// No UDP socket could be opened, or none towards the proxy.
    Socket(io::Error),
    /// The address that was given for the proxy is none.
    InvalidProxy(ParseAddressError),
    /// The address that was given for the target is none: nothing was sent.
    InvalidTarget(ParseAddressError),
    /// The payload of a datagram is too large, or the name of its target, where there is room for 0 octets; it was not
    /// sent.
    TooLarge {
        /// Octets of the payload.
        len: usize,
        /// Octets that there is room for, to this target.
        most: usize,
    },
    /// The proxy sent a malformed frame of UDP over TCP. The association is over: where the next frame begins is not
    /// known.
    BadFrame {
        /// What is wrong with it.
        source: proto::Error,
    },
    /// The socket has only one destination, and the datagram another; it was not sent.
    OtherDestination {
        /// The destination of the socket.
        destination: Address,
    },
}

/// Says whose fault an error was: [`ClientError::fault`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClientFault {
    /// The proxy's, or the network's before it: the connection broke, the proxy was too slow, or spoke
    /// no proper SOCKS5. Another proxy may work.
    Proxy,
    /// The proxy works and refuses: it accepts none of our methods, denies access, does not allow the
    /// request (02), or does not support it (07, 08). A SOCKS4 proxy asks our identd, and it disagrees.
    Refused,
    /// The proxy granted access and tried, and the target cannot be reached: 03 to 06, and 01 and all
    /// codes that RFC 1928 does not assign, which can mean anything.
    Target(ReplyCode),
    /// Our own: no socket, an invalid address, or a datagram that is too large or cannot go there.
    Local,
}

impl ClientError {
    /// Returns whose fault it was.
    #[must_use]
    pub const fn fault(&self) -> ClientFault {
        match self {
            Self::Unreachable { .. }
            | Self::Io { .. }
            | Self::Closed { .. }
            | Self::TimedOut { .. }
            | Self::NotSocks { .. }
            | Self::NotOffered { .. }
            | Self::NotPipelined { .. }
            | Self::NotResolved(_)
            | Self::NoRelay(_)
            | Self::ForeignRelay { .. }
            | Self::BadFrame { .. } => ClientFault::Proxy,
            Self::NoAcceptableMethod { .. } | Self::Denied | Self::Authentication(_) => {
                ClientFault::Refused
            }
            Self::Refused(code) => match *code {
                ReplyCode::NOT_ALLOWED
                | ReplyCode::COMMAND_NOT_SUPPORTED
                | ReplyCode::ADDRESS_TYPE_NOT_SUPPORTED => ClientFault::Refused,
                code => ClientFault::Target(code),
            },
            Self::Rejected(code) => match *code {
                socks4::ReplyCode::NO_IDENTD | socks4::ReplyCode::OTHER_USER => {
                    ClientFault::Refused
                }
                _ => ClientFault::Target(self.reply_code()),
            },
            Self::Socket(_)
            | Self::Unencodable(_)
            | Self::InvalidProxy(_)
            | Self::InvalidTarget(_)
            | Self::TooLarge { .. }
            | Self::OtherDestination { .. } => ClientFault::Local,
        }
    }

    /// Whether the proxy works for nobody: it cannot be reached, says nothing or nonsense, or does not
    /// let us in, which has nothing to do with the request. One that we cannot even ask is not down.
    pub(crate) fn is_down(&self) -> bool {
        match self {
            Self::Unreachable { source, .. } => !is_exhausted(&**source),
            Self::NoAcceptableMethod { .. }
            | Self::Denied
            | Self::Authentication(_)
            | Self::NotOffered { .. }
            | Self::NotPipelined { .. } => true,
            // SOCKS4 has no step before the request, whose reply begins with 0 whatever is asked.
            Self::NotSocks {
                source: proto::Error::Version { expected: 0, .. },
                ..
            } => true,
            Self::Rejected(code) => matches!(
                *code,
                socks4::ReplyCode::NO_IDENTD | socks4::ReplyCode::OTHER_USER
            ),
            Self::Io { step, .. }
            | Self::Closed { step }
            | Self::NotSocks { step, .. }
            | Self::TimedOut { step, .. } => {
                matches!(step, Step::Greeting | Step::Authentication)
            }
            Self::Refused(_)
            | Self::NotResolved(_)
            | Self::Unencodable(_)
            | Self::ForeignRelay { .. }
            | Self::NoRelay(_)
            | Self::Socket(_)
            | Self::InvalidProxy(_)
            | Self::InvalidTarget(_)
            | Self::TooLarge { .. }
            | Self::BadFrame { .. }
            | Self::OtherDestination { .. } => false,
        }
    }

    /// Returns the code that a server replies to its client. Everything between us and the proxy is
    /// 01: a stream to it that was refused, say, is not the target's doing, whatever kind of I/O
    /// error is the source.
    pub(super) const fn reply_code(&self) -> ReplyCode {
        match self {
            Self::Refused(code) => *code,
            Self::TimedOut { .. } => ReplyCode::TTL_EXPIRED,
            Self::Unencodable(socks4::Unencodable::Target | socks4::Unencodable::Name) => {
                ReplyCode::ADDRESS_TYPE_NOT_SUPPORTED
            }
            Self::Unreachable { .. }
            | Self::Io { .. }
            | Self::Closed { .. }
            | Self::NotSocks { .. }
            | Self::NotOffered { .. }
            | Self::NotPipelined { .. }
            | Self::NoAcceptableMethod { .. }
            | Self::Denied
            | Self::Authentication(_)
            | Self::NotResolved(_)
            | Self::Rejected(_)
            | Self::Unencodable(socks4::Unencodable::UserId)
            | Self::ForeignRelay { .. }
            | Self::NoRelay(_)
            | Self::Socket(_)
            | Self::InvalidProxy(_)
            | Self::InvalidTarget(_)
            | Self::TooLarge { .. }
            | Self::BadFrame { .. }
            | Self::OtherDestination { .. } => ReplyCode::GENERAL_FAILURE,
        }
    }
}

impl Error for ClientError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::TimedOut { source, .. } => Some(source),
            Self::NotSocks { source, .. } | Self::BadFrame { source } => Some(source),
            Self::Io { source, .. } | Self::Socket(source) => Some(source),
            Self::Unreachable { source, .. } | Self::Authentication(source) => Some(&**source),
            Self::InvalidProxy(source) | Self::InvalidTarget(source) => Some(source),
            Self::Unencodable(source) => Some(source),
            Self::Refused(_)
            | Self::Rejected(_)
            | Self::Closed { .. }
            | Self::NotOffered { .. }
            | Self::NotPipelined { .. }
            | Self::NoAcceptableMethod { .. }
            | Self::Denied
            | Self::NotResolved(_)
            | Self::ForeignRelay { .. }
            | Self::NoRelay(_)
            | Self::TooLarge { .. }
            | Self::OtherDestination { .. } => None,
        }
    }
}
