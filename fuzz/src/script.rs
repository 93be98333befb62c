//! What an input has to say, octet by octet.

use std::{collections::VecDeque, io, time::Duration};

/// Reads an input from its front. Behind its end everything is zero.
#[derive(Debug)]
pub(crate) struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    pub(crate) const fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn octet(&mut self) -> u8 {
        let Some((octet, rest)) = self.rest.split_first() else {
            return 0;
        };
        self.rest = rest;
        *octet
    }

    /// As many as there are, up to `most`.
    pub(crate) fn take(&mut self, most: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(most.min(self.rest.len()));
        self.rest = rest;
        taken
    }

    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }
}

/// What a stream does when it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    Says(Vec<u8>),
    Stalls(Stall),
    Ends,
    Fails(io::ErrorKind),
}

/// What it does when it is written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Write {
    /// Takes so many octets at most, in one write.
    Takes(usize),
    Stalls(Stall),
    Fails(io::ErrorKind),
}

/// How long it is not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stall {
    /// Until the next poll, which comes at once.
    Once,
    For(Duration),
}

/// All that one stream does. Behind its script it takes everything, and says nothing more.
#[derive(Debug, Default)]
pub(crate) struct Script {
    pub(crate) reads: VecDeque<Read>,
    pub(crate) writes: VecDeque<Write>,
    /// What flushes and shutdowns meet, one after the other.
    pub(crate) closes: VecDeque<Write>,
}

impl Script {
    /// Reads steps, each for one of `scripts`, until the input ends.
    ///
    /// A step is an octet, and what follows it: two bits for which stream, reads or writes; four
    /// for what, and the rest of its number where it has one.
    ///
    /// | octet | reads of stream `bit 7` | with bit 6: writes |
    /// |---|---|---|
    /// | 00-2F | says the next 1 to 48 octets | takes 1 to 48 octets |
    /// | 30-37 | says 1 KiB to 128 KiB of a pattern | takes 1 KiB to 128 KiB |
    /// | 38 | is not ready once | same |
    /// | 39 | is not ready for 10 ms times the next octet | same |
    /// | 3A | is not ready for 1 s times the next octet | same |
    /// | 3B | ends | is not ready once, when it is flushed or shut down |
    /// | 3C | is reset | same |
    /// | 3D | fails with another error | a broken pipe |
    /// | 3E | says the octets up to the end of the input | a broken pipe, when it is flushed or shut down |
    /// | 3F | is not ready for an hour | same |
    pub(crate) fn read(input: &mut Input<'_>, scripts: &mut [Self; 2]) {
        let [first, second] = scripts;
        while !input.is_empty() {
            let step = input.octet();
            let script = if step & 0x80 == 0 {
                &mut *first
            } else {
                &mut *second
            };
            let kind = step & 0x3f;
            let number = usize::from(kind);
            let stall = match kind {
                0x38 => Some(Stall::Once),
                0x39 => Some(Duration::from_millis(10 * u64::from(input.octet())).into()),
                0x3a => Some(Duration::from_secs(input.octet().into()).into()),
                0x3f => Some(Duration::from_secs(3600).into()),
                _ => None,
            };
            if step & 0x40 == 0 {
                script.reads.push_back(match (kind, stall) {
                    (_, Some(stall)) => Read::Stalls(stall),
                    (0x3b, _) => Read::Ends,
                    (0x3c, _) => Read::Fails(io::ErrorKind::ConnectionReset),
                    (0x3d, _) => Read::Fails(io::ErrorKind::Other),
                    (0x3e, _) => Read::Says(input.rest().to_vec()),
                    (0x30.., _) => Read::Says(pattern(1024 << (number - 0x30))),
                    _ => Read::Says(input.take(number + 1).to_vec()),
                });
            } else {
                let write = match (kind, stall) {
                    (_, Some(stall)) => Write::Stalls(stall),
                    (0x3b, _) => Write::Stalls(Stall::Once),
                    (0x3c, _) => Write::Fails(io::ErrorKind::ConnectionReset),
                    (0x3d | 0x3e, _) => Write::Fails(io::ErrorKind::BrokenPipe),
                    (0x30.., _) => Write::Takes(1024 << (number - 0x30)),
                    _ => Write::Takes(number + 1),
                };
                if matches!(kind, 0x3b | 0x3e) {
                    script.closes.push_back(write);
                } else {
                    script.writes.push_back(write);
                }
            }
        }
    }

    /// All that it says, whether or not anybody hears it.
    pub(crate) fn said(&self) -> Vec<u8> {
        let mut said = Vec::new();
        for read in &self.reads {
            match read {
                Read::Says(octets) => said.extend_from_slice(octets),
                Read::Stalls(_) => {}
                Read::Ends | Read::Fails(_) => break,
            }
        }
        said
    }

    /// How long it is not ready, in all.
    pub(crate) fn stalls(&self) -> Duration {
        let reads = self.reads.iter().map(|read| match read {
            Read::Stalls(Stall::For(time)) => *time,
            _ => Duration::ZERO,
        });
        let writes = self.writes.iter().chain(&self.closes);
        let writes = writes.map(|write| match write {
            Write::Stalls(Stall::For(time)) => *time,
            _ => Duration::ZERO,
        });
        reads.chain(writes).sum()
    }

    /// How many steps it has.
    pub(crate) fn len(&self) -> usize {
        self.reads.len() + self.writes.len() + self.closes.len()
    }
}

impl From<Duration> for Stall {
    fn from(time: Duration) -> Self {
        Self::For(time)
    }
}

/// Octets none of which looks like its neighbours.
fn pattern(len: usize) -> Vec<u8> {
    let octet = |at: u32| at.wrapping_mul(2_654_435_761).to_be_bytes()[0];
    (0..len as u32).map(octet).collect()
}
