//! Where a chunked body ends (RFC 9112 section 7.1).
//!
//! hyper decodes the chunks. This counts the same octets, strictly: what follows the last of them is the next
//! head, and nobody may think otherwise.

use std::io;

/// Octets of the longest trailer section, of all chunk extensions together likewise.
const LONGEST: u32 = 8 * 1024;

/// Follows a chunked body, octet by octet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunks {
    state: State,
    /// Octets of extensions and of trailers.
    besides: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The size of a chunk, of which so many digits have been read.
    Size(u64, u8),
    Extension(u64),
    SizeLf(u64),
    Data(u64),
    DataCr,
    DataLf,
    /// The beginning of a line of the trailer section.
    Line,
    Trailer,
    TrailerLf,
    EndLf,
    End,
}

impl Chunks {
    pub(super) const fn new() -> Self {
        Self {
            state: State::Size(0, 0),
            besides: 0,
        }
    }

    /// Whether the body has ended.
    pub(super) fn is_over(&self) -> bool {
        self.state == State::End
    }

    /// Returns how many of `octets` belong to the body.
    ///
    /// # Errors
    ///
    /// For an octet that cannot be where it is.
    pub(super) fn take(&mut self, octets: &[u8]) -> io::Result<usize> {
        let mut rest = octets;
        while let Some((octet, behind)) = rest.split_first() {
            match self.state {
                State::End => break,
                State::Data(left) => {
                    let here =
                        usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()));
                    rest = rest.get(here..).unwrap_or_default();
                    self.state = match left.saturating_sub(here as u64) {
                        0 => State::DataCr,
                        left => State::Data(left),
                    };
                    continue;
                }
                state => self.state = self.next(state, *octet)?,
            }
            rest = behind;
        }
        Ok(octets.len() - rest.len())
    }

    fn next(&mut self, state: State, octet: u8) -> io::Result<State> {
        Ok(match (state, octet) {
            (State::Size(size, digits), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') if digits < 15 => {
                let digit = char::from(octet).to_digit(16).unwrap_or(0);
                State::Size(size << 4 | u64::from(digit), digits + 1)
            }
            (State::Size(size, 1..), b';') => State::Extension(size),
            (State::Size(size, 1..) | State::Extension(size), b'\r') => State::SizeLf(size),
            (State::Extension(size), b'\t' | b' '..=b'~' | 0x80..) => {
                self.besides()?;
                State::Extension(size)
            }
            (State::SizeLf(0), b'\n') => State::Line,
            (State::SizeLf(size), b'\n') => State::Data(size),
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size(0, 0),
            (State::Line, b'\r') => State::EndLf,
            (State::EndLf, b'\n') => State::End,
            (State::Trailer, b'\r') => State::TrailerLf,
            (State::TrailerLf, b'\n') => State::Line,
            (State::Line, b'!'..=b'~') | (State::Trailer, b'\t' | b' '..=b'~' | 0x80..) => {
                self.besides()?;
                State::Trailer
            }
            _ => return Err(malformed("chunks that are none")),
        })
    }

    fn besides(&mut self) -> io::Result<()> {
        self.besides += 1;
        match self.besides > LONGEST {
            true => Err(malformed("too much beside the chunks")),
            false => Ok(()),
        }
    }
}

fn malformed(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
