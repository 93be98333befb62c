use std::fmt;

/// Which tokens of the peer have been taken, by the numbers that they carry (RFC 4121 section 4.2.6.2).
///
/// The library below looks too, but only as far as the client has asked it to; and one that protects the sequence
/// does not tell an old token from one that comes twice. This window always looks.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// The number whose turn it is. None before the first token, which may have any.
    next: Option<u64>,
    /// Which of the numbers before `next` were taken, the last in the lowest bit.
    taken: u64,
}

impl Window {
    /// Takes a number, and says whether it was its turn.
    ///
    /// # Errors
    ///
    /// For one that was taken before, or that is too old to tell.
    pub(super) const fn take(&mut self, number: u64) -> Result<bool, Stale> {
        let Some(next) = self.next else {
            self.next = Some(number.wrapping_add(1));
            self.taken = 1;
            return Ok(true);
        };
        let ahead = number.wrapping_sub(next);
        if ahead <= u64::MAX / 2 {
            self.taken = if ahead < 63 {
                (self.taken << (ahead + 1)) | 1
            } else {
                1
            };
            self.next = Some(number.wrapping_add(1));
            return Ok(ahead == 0);
        }
        let behind = next.wrapping_sub(number);
        if behind > 64 {
            return Err(Stale::Old);
        }
        let bit = 1 << (behind - 1);
        if self.taken & bit != 0 {
            return Err(Stale::Duplicate);
        }
        self.taken |= bit;
        Ok(false)
    }
}

/// Why a token that is genuine is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stale {
    /// It was taken before.
    Duplicate,
    /// 64 or more after it were taken.
    Old,
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Duplicate => "token came before",
            Self::Old => "token is too old to tell whether it came before",
        })
    }
}

impl std::error::Error for Stale {}
