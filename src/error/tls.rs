//! The errors of TLS handshakes.

use std::{error::Error, fmt, io};

use tokio_rustls::rustls;

#[cfg(any(feature = "ldap", feature = "postgres"))]
use super::Chain;
use super::{Fault, is_own};

/// Why a TLS handshake failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum TlsError {
    /// The first octet of the client is not that of a TLS handshake. With the protocol that it looks like,
    /// where that can be told: a client that speaks it without TLS has come to the wrong port.
    NotTls(Option<&'static str>),
    /// The peer closed in the middle of the handshake.
    Closed,
    /// The stream failed.
    Io(io::Error),
    /// The handshake did: versions, certificates, an alert of the peer, or garbage.
    Handshake(rustls::Error),
}

impl TlsError {
    /// Returns whose fault it was, of a client's handshake with us.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Handshake(
                rustls::Error::FailedToGetCurrentTime
                | rustls::Error::FailedToGetRandomBytes
                | rustls::Error::EncryptError,
            ) => Fault::Server,
            Self::Io(error) if is_own(error) => Fault::Server,
            Self::NotTls(_) | Self::Closed | Self::Io(_) | Self::Handshake(_) => Fault::Client,
        }
    }

    /// Of a handshake with a server, for who runs this: with its cause, and what would mend it.
    #[cfg(any(feature = "ldap", feature = "postgres"))]
    pub(crate) fn told(&self) -> String {
        use rustls::{CertificateError, Error};

        let mend = match self {
            Self::Handshake(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
                "; where that is an authority of your own, `authorities` is its certificate"
            }
            _ => "",
        };
        format!("{}{mend}", Chain(self))
    }
}

impl From<io::Error> for TlsError {
    fn from(error: io::Error) -> Self {
        let rustls = error.get_ref().and_then(|inner| inner.downcast_ref());
        match rustls {
            Some(error) => Self::Handshake(rustls::Error::clone(error)),
            None if error.kind() == io::ErrorKind::UnexpectedEof => Self::Closed,
            None => Self::Io(error),
        }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotTls(Some(protocol)) => {
                write!(f, "this is not TLS: it looks like {protocol}")
            }
            Self::NotTls(None) => f.write_str("this is not TLS"),
            Self::Closed => f.write_str("peer closed in the middle of the TLS handshake"),
            Self::Io(_) => f.write_str("the stream failed in the TLS handshake"),
            Self::Handshake(_) => f.write_str("TLS handshake failed"),
        }
    }
}

impl Error for TlsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NotTls(_) | Self::Closed => None,
            Self::Io(error) => Some(error),
            Self::Handshake(error) => Some(error),
        }
    }
}
