use std::{fmt, ops::Deref};

/// An encoded message of at most `N` octets, on the stack: the result of the `encode` methods.
///
/// `N` is the length of the longest form of the message, so encoding cannot fail. Dereferences to
/// the octets. Its `Debug` form has the length only, since a message may have a password in it.
#[derive(Clone, Copy)]
pub struct Encoded<const N: usize> {
    octets: [u8; N],
    len: usize,
}

impl<const N: usize> Encoded<N> {
    pub(crate) const fn new() -> Self {
        Self {
            octets: [0; N],
            len: 0,
        }
    }

    /// Appends `bytes`. The encoders never append more than `N` octets in all; were one to, the
    /// excess would be left out rather than panic on input from the network.
    pub(crate) fn push(mut self, bytes: &[u8]) -> Self {
        if let Some(room) = self.octets.get_mut(self.len..self.len + bytes.len()) {
            room.copy_from_slice(bytes);
            self.len += bytes.len();
        } else {
            debug_assert!(false, "a frame of {N} octets is sized from the maximum");
        }
        self
    }
}

impl<const N: usize> Deref for Encoded<N> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.octets.get(..self.len).unwrap_or_default()
    }
}

impl<const N: usize> AsRef<[u8]> for Encoded<N> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl<const N: usize> fmt::Debug for Encoded<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Encoded({} octets)", self.len)
    }
}
