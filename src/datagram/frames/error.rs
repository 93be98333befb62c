//! What is wrong with a stream of frames.

use std::{error::Error, fmt, io};

use crate::proto;

/// Octets that are no message of UDP over TCP. Nobody knows where the next one begins.
#[derive(Debug)]
struct Malformed(proto::Error);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("malformed frame of UDP over TCP")
    }
}

impl Error for Malformed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

/// The stream has ended within a message of UDP over TCP.
#[derive(Debug)]
struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("end of the stream within a frame of UDP over TCP")
    }
}

impl Error for Cut {}

/// The error of a stream with octets that are no frame.
pub(crate) fn malformed(error: proto::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, Malformed(error))
}

/// The error of a stream that has ended within a frame.
pub(crate) fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, Cut)
}
