//! The same octets in other pieces.

/// Cuts `octets` into pieces whose lengths `seed` decides: 0 for one piece, 1 for octet by octet.
pub(crate) fn pieces(octets: &[u8], seed: u8) -> Vec<Vec<u8>> {
    let mut state = u32::from(seed).wrapping_mul(0x9e37_79b9) | 1;
    let mut pieces = Vec::new();
    let mut rest = octets;
    while !rest.is_empty() {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        let len = match seed {
            0 => rest.len(),
            1 => 1,
            _ => 1 + state as usize % 24,
        };
        let (piece, behind) = rest.split_at(len.min(rest.len()));
        pieces.push(piece.to_vec());
        rest = behind;
    }
    pieces
}
