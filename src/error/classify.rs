//! Classifies errors by whose fault they were.

use std::{error::Error, io};

use tower::{load_shed::error::Overloaded, timeout::error::Elapsed};

#[cfg(feature = "http-connect")]
use super::http::HttpError;
use super::{
    Fault, LookupError, Refusal,
    chain::{causes, find},
    client::{ClientError, ClientFault},
    exhausted::{is_exhausted, is_own},
};
use crate::proto::{InvalidName, ParseAddressError, ReplyCode, socks4::Unencodable};

impl Fault {
    /// Returns whose fault it was that a request failed with this error. The outermost error of its
    /// `source()` chain that tells wins, and an error that nothing is known of is ours.
    ///
    /// | error | fault |
    /// |---|---|
    /// | [`Refusal`] | the one that it [states](Refusal::with_fault), or that of its code |
    /// | [`LookupError`](super::LookupError) | ours where name servers are down or this machine cannot ask, what its source says where an upstream was asked, and the target's otherwise |
    /// | a name or an address that is none | the client's |
    /// | [`ClientError`](crate::ClientError), `HttpError` | the target's where the upstream says so (03 to 06, F0 to F7, 504), a refusal where it does not allow it (02, 403), the client's for a name or an address that cannot be sent, ours without a socket, and the upstream's otherwise |
    /// | an I/O error for want of descriptors, buffers, memory or local ports | ours |
    /// | other I/O errors of a dial, `Elapsed` | the target's |
    /// | `Overloaded` | ours |
    ///
    /// ```
    /// use std::io;
    /// use tower_socks::{ClientError, error::Fault, proto::ReplyCode};
    ///
    /// let upstream = ClientError::Refused(ReplyCode::GENERAL_FAILURE);
    /// assert_eq!(Fault::of(&upstream), Fault::Upstream);
    /// let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
    /// assert_eq!(Fault::of(&refused), Fault::Target);
    /// ```
    #[must_use]
    pub fn of(error: &(dyn Error + 'static)) -> Self {
        Self::known(error).unwrap_or(Self::Server)
    }

    /// The fault of a request's error, where something is known of it.
    pub(super) fn known(error: &(dyn Error + 'static)) -> Option<Self> {
        causes(error).find_map(|cause| {
            #[cfg(feature = "http-connect")]
            if let Some(error) = cause.downcast_ref() {
                return Some(of_http(error));
            }
            if let Some(error) = cause.downcast_ref() {
                Some(of_refusal(error))
            } else if let Some(error) = cause.downcast_ref() {
                Some(of_client(error))
            } else if let Some(error) = cause.downcast_ref::<LookupError>() {
                // The upstream's error tells more.
                Some(error.fault()).filter(|fault| *fault != Self::Upstream)
            } else if cause.is::<InvalidName>() || cause.is::<ParseAddressError>() {
                Some(Self::Client)
            } else if cause.is::<Elapsed>() || cause.is::<tokio::time::error::Elapsed>() {
                Some(Self::Target)
            } else if cause.is::<Overloaded>() {
                Some(Self::Server)
            } else {
                cause.downcast_ref().and_then(of_io)
            }
        })
    }
}

/// A refusal's own, or that of its code: 01 says nothing, and what it came from may.
fn of_refusal(refusal: &Refusal) -> Fault {
    let source = || refusal.source().and_then(Fault::known);
    refusal.fault().unwrap_or_else(|| match refusal.code() {
        ReplyCode::NOT_ALLOWED => Fault::Refused,
        ReplyCode::COMMAND_NOT_SUPPORTED | ReplyCode::ADDRESS_TYPE_NOT_SUPPORTED => Fault::Client,
        ReplyCode::GENERAL_FAILURE => source().unwrap_or(Fault::Server),
        _ => Fault::Target,
    })
}

fn of_client(error: &ClientError) -> Fault {
    match error {
        ClientError::Unreachable { source, .. } if is_exhausted(&**source) => Fault::Server,
        // The upstream's name could not be looked up, since no name could.
        ClientError::Unreachable { source, .. }
            if find::<LookupError>(&**source)
                .is_some_and(|error| error.fault() == Fault::Server) =>
        {
            Fault::Server
        }
        // The file or the program states it.
        ClientError::InvalidProxy(_)
        | ClientError::Socket(_)
        | ClientError::Unencodable(Unencodable::UserId) => Fault::Server,
        ClientError::InvalidTarget(_)
        | ClientError::Unencodable(_)
        | ClientError::TooLarge { .. } => Fault::Client,
        error => match error.fault() {
            ClientFault::Target(code) => of_upstream_reply(code),
            ClientFault::Refused
                if matches!(error, ClientError::Refused(ReplyCode::NOT_ALLOWED)) =>
            {
                Fault::Refused
            }
            ClientFault::Proxy | ClientFault::Refused | ClientFault::Local => Fault::Upstream,
        },
    }
}

#[cfg(feature = "http-connect")]
fn of_http(error: &HttpError) -> Fault {
    match error {
        HttpError::Unreachable(error) => of_client(error),
        HttpError::Status { status: 403, .. } => Fault::Refused,
        error => match error.fault() {
            ClientFault::Target(code) => of_upstream_reply(code),
            ClientFault::Proxy | ClientFault::Refused | ClientFault::Local => Fault::Upstream,
        },
    }
}

/// What an upstream that tried says of the target: 03 to 06 tell, and Tor's F0 to F7, which are about the onion
/// service. Anything else can mean anything.
fn of_upstream_reply(code: ReplyCode) -> Fault {
    match code {
        ReplyCode::NETWORK_UNREACHABLE
        | ReplyCode::HOST_UNREACHABLE
        | ReplyCode::CONNECTION_REFUSED
        | ReplyCode::TTL_EXPIRED => Fault::Target,
        code if code.is_onion_service() => Fault::Target,
        _ => Fault::Upstream,
    }
}

fn of_io(error: &io::Error) -> Option<Fault> {
    use io::ErrorKind;

    if is_own(error) {
        return Some(Fault::Server);
    }
    // What it wraps knows better.
    if let Some(fault) = error.get_ref().and_then(|inner| Fault::known(inner)) {
        return Some(fault);
    }
    let by_system = error.raw_os_error().is_some();
    match error.kind() {
        ErrorKind::ConnectionRefused
        | ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::NetworkDown
        | ErrorKind::TimedOut => Some(Fault::Target),
        // What a firewall makes of this target, and of addresses that are no host's.
        ErrorKind::PermissionDenied if by_system => Some(Fault::Target),
        // A link-local address without its link.
        ErrorKind::InvalidInput if by_system => Some(Fault::Client),
        // No family of that address on this machine.
        _ => (super::reply_code(error) == ReplyCode::ADDRESS_TYPE_NOT_SUPPORTED)
            .then_some(Fault::Client),
    }
}

/// Whether an upstream works for nobody, as far as the error tells: it has nothing to do with the
/// request.
pub(crate) fn is_upstream_down(error: &(dyn Error + 'static)) -> bool {
    causes(error)
        .find_map(|cause| {
            #[cfg(feature = "http-connect")]
            if let Some(error) = cause.downcast_ref::<HttpError>() {
                return Some(error.is_down());
            }
            cause.downcast_ref().map(ClientError::is_down)
        })
        .unwrap_or(false)
}
