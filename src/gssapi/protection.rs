use std::{
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{Context, incoming::invalid};
use crate::{
    io::Sealer,
    proto::{Decode, GssapiHeader, ProtectionLevel},
};

/// The octets that fit into a datagram of UDP over IPv4.
const DATAGRAM: u16 = 65_507;

/// The context of a connection and the level that was agreed on, for its stream and its datagrams.
pub(super) struct Protection<C> {
    context: Mutex<C>,
    level: ProtectionLevel,
    /// Whether we encrypt.
    encrypts: bool,
    /// Whether the peer has to.
    confidential: bool,
    /// The octets of the longest datagram.
    longest_datagram: usize,
}

impl<C> Protection<C> {
    pub(super) const fn level(&self) -> ProtectionLevel {
        self.level
    }
}

impl<C: Context> Protection<C> {
    /// Protects at a level that encapsulates.
    ///
    /// # Errors
    ///
    /// At any other level, where the context cannot encrypt and has to, and where it cannot say how long a message
    /// may be.
    pub(super) fn new(context: C, level: ProtectionLevel) -> io::Result<Self> {
        let (encrypts, confidential) = match level {
            ProtectionLevel::INTEGRITY => (false, false),
            ProtectionLevel::CONFIDENTIALITY => (true, true),
            ProtectionLevel::SELECTIVE => (true, false),
            _ => return Err(io::ErrorKind::InvalidInput.into()),
        };
        if encrypts && !context.can_encrypt() {
            return Err(io::Error::other("context cannot encrypt"));
        }
        let mut protection = Self {
            context: Mutex::new(context),
            level,
            encrypts,
            confidential,
            longest_datagram: 0,
        };
        let head = u16::try_from(GssapiHeader::MAX_LEN).unwrap_or_default();
        protection.longest_datagram = protection.longest(DATAGRAM - head)?;
        Ok(protection)
    }

    /// Returns the octets of the longest message whose token has no more than so many.
    pub(super) fn longest(&self, token: u16) -> io::Result<usize> {
        let longest = self.context().longest_message(self.encrypts, token);
        longest.map_err(io::Error::other)
    }

    /// Wraps a message.
    pub(super) fn wrap(&self, message: &[u8]) -> io::Result<Vec<u8>> {
        let token = self.context().wrap(self.encrypts, message);
        token.map_err(io::Error::other)
    }

    /// Unwraps a message that is protected as was agreed on.
    pub(super) fn unwrap(&self, token: &[u8], may_be_out_of_turn: bool) -> io::Result<Vec<u8>> {
        let unwrapped = self.context().unwrap(token).map_err(invalid)?;
        if self.confidential && !unwrapped.confidential {
            return Err(invalid("message is not encrypted"));
        }
        if unwrapped.out_of_turn && !may_be_out_of_turn {
            return Err(invalid("message is not in its turn"));
        }
        Ok(unwrapped.message)
    }

    fn context(&self) -> MutexGuard<'_, C> {
        // A context that panicked knows by itself whether it goes on.
        self.context.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Datagrams, each in a message of its own (RFC 1961 section 5).
impl<C: Context> Sealer for Protection<C> {
    fn seal(&self, datagram: &[u8]) -> io::Result<Vec<u8>> {
        if datagram.len() > self.longest_datagram {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let token = self.wrap(datagram)?;
        match u16::try_from(token.len()) {
            Ok(len) if GssapiHeader::MAX_LEN + token.len() <= usize::from(DATAGRAM) => {
                Ok([&*GssapiHeader::Data(len).encode(), &token].concat())
            }
            // It promised less.
            _ => Err(io::ErrorKind::FileTooLarge.into()),
        }
    }

    fn open(&self, sealed: &[u8]) -> io::Result<Vec<u8>> {
        let token = GssapiHeader::token_of_datagram(sealed);
        let token = token.ok_or_else(|| invalid("no message of data"))?;
        self.unwrap(token, true)
    }

    fn longest(&self) -> usize {
        self.longest_datagram
    }
}
