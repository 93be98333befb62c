//! Mutations of a corpus, the same ones for the same seed.

/// What length and type fields, versions and texts break at.
const TELLING: &[u8] = &[
    0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x09, 0x0a, 0x0d, 0x20, 0x2e, 0x3a, 0x5b, 0x7f, 0x80, 0xc3,
    0xfe, 0xff,
];

/// Longer than any message; texts and dialogues may grow to that.
const LONGEST: usize = 4096;

pub(crate) struct Mutator {
    state: u64,
}

impl Mutator {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
        }
    }

    /// xorshift64*.
    fn next(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    fn range(&mut self, len: usize) -> std::ops::Range<usize> {
        let start = self.below(len + 1);
        let longest = if self.below(4) == 0 { 300 } else { 8 };
        let end = (start + self.below(longest) + 1).min(len);
        start..end
    }

    /// One of the corpus, changed in a few places.
    pub(crate) fn mutate(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut input = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(6) {
            self.change(&mut input, seeds);
        }
        input.truncate(LONGEST);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let at = self.below(input.len() + 1);
        match self.below(9) {
            0 => {
                if let Some(octet) = input.get_mut(at) {
                    *octet ^= 1 << self.below(8);
                }
            }
            1 => {
                if let Some(octet) = input.get_mut(at) {
                    *octet = TELLING[self.below(TELLING.len())];
                }
            }
            2 => {
                if let Some(octet) = input.get_mut(at) {
                    *octet = octet.wrapping_add(self.below(9) as u8).wrapping_sub(4);
                }
            }
            3 => {
                let range = self.range(input.len());
                input.drain(range);
            }
            4 => {
                let range = self.range(input.len());
                let copy = input[range].to_vec();
                input.splice(at..at, copy);
            }
            5 => input.truncate(at),
            6 => {
                let other = &seeds[self.below(seeds.len())];
                let range = self.range(other.len());
                let from = if self.below(2) == 0 {
                    range.start..other.len()
                } else {
                    range
                };
                input.splice(at..at, other[from].to_vec());
            }
            7 => {
                let count = self.below(6) + 1;
                let noise: Vec<u8> = (0..count).map(|_| self.next() as u8).collect();
                input.splice(at..at, noise);
            }
            _ => {
                let octet = TELLING[self.below(TELLING.len())];
                input.insert(at, octet);
            }
        }
    }
}
