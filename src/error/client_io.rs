//! Errors of requests to proxies as I/O errors.

use std::io;

use super::{
    chain::find,
    client::{ClientError, ClientFault},
};
use crate::proto::ReplyCode;

/// Wraps the error; the kind is the nearest that there is.
impl From<ClientError> for io::Error {
    fn from(error: ClientError) -> Self {
        Self::new(error.kind(), error)
    }
}

impl ClientError {
    fn kind(&self) -> io::ErrorKind {
        use io::ErrorKind;

        match self {
            Self::Unreachable { source, .. } => {
                find::<io::Error>(&**source).map_or(ErrorKind::Other, io::Error::kind)
            }
            Self::Io { source, .. } | Self::Socket(source) => source.kind(),
            Self::Closed { .. } => ErrorKind::UnexpectedEof,
            Self::TimedOut { .. } => ErrorKind::TimedOut,
            Self::NotSocks { .. }
            | Self::NotOffered { .. }
            | Self::NotPipelined { .. }
            | Self::NotResolved(_)
            | Self::BadFrame { .. } => ErrorKind::InvalidData,
            Self::NoAcceptableMethod { .. } | Self::Denied | Self::Authentication(_) => {
                ErrorKind::PermissionDenied
            }
            Self::Refused(code) => match *code {
                ReplyCode::NOT_ALLOWED => ErrorKind::PermissionDenied,
                ReplyCode::NETWORK_UNREACHABLE => ErrorKind::NetworkUnreachable,
                ReplyCode::HOST_UNREACHABLE
                | ReplyCode::ONION_DESCRIPTOR_NOT_FOUND
                | ReplyCode::ONION_DESCRIPTOR_INVALID
                | ReplyCode::ONION_INTRODUCTION_FAILED
                | ReplyCode::ONION_RENDEZVOUS_FAILED => ErrorKind::HostUnreachable,
                ReplyCode::CONNECTION_REFUSED => ErrorKind::ConnectionRefused,
                ReplyCode::TTL_EXPIRED | ReplyCode::ONION_INTRODUCTION_TIMED_OUT => {
                    ErrorKind::TimedOut
                }
                ReplyCode::ONION_AUTHORIZATION_MISSING | ReplyCode::ONION_AUTHORIZATION_WRONG => {
                    ErrorKind::PermissionDenied
                }
                ReplyCode::ONION_ADDRESS_INVALID => ErrorKind::InvalidInput,
                ReplyCode::COMMAND_NOT_SUPPORTED | ReplyCode::ADDRESS_TYPE_NOT_SUPPORTED => {
                    ErrorKind::Unsupported
                }
                _ => ErrorKind::Other,
            },
            Self::Rejected(_) => match self.fault() {
                ClientFault::Refused => ErrorKind::PermissionDenied,
                _ => ErrorKind::Other,
            },
            Self::NoRelay(_) | Self::ForeignRelay { .. } => ErrorKind::AddrNotAvailable,
            Self::InvalidProxy(_)
            | Self::InvalidTarget(_)
            | Self::Unencodable(_)
            | Self::TooLarge { .. }
            | Self::OtherDestination { .. } => ErrorKind::InvalidInput,
        }
    }
}
