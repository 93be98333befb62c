//! CRC32C (RFC 4960 appendix B), by which a header of version 2 is checked.

const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut octet: u32 = 0;
    let mut rest: &mut [u32] = &mut table;
    while let Some((entry, others)) = rest.split_first_mut() {
        let mut crc = octet;
        let mut bit = 0;
        while bit < 8 {
            crc = match crc & 1 {
                1 => crc >> 1 ^ 0x82f6_3b78,
                _ => crc >> 1,
            };
            bit += 1;
        }
        *entry = crc;
        octet += 1;
        rest = others;
    }
    table
}

/// Returns the checksum of these pieces, one behind the other.
pub(super) fn crc32c(pieces: &[&[u8]]) -> u32 {
    let octets = pieces.iter().copied().flatten();
    !octets.fold(!0, |crc: u32, octet| {
        let [low, ..] = crc.to_le_bytes();
        crc >> 8
            ^ TABLE
                .get(usize::from(low ^ octet))
                .copied()
                .unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::crc32c;

    /// RFC 3720 appendix B.4, and the check value of the algorithm.
    #[test]
    fn known_checksums() {
        assert_eq!(crc32c(&[b"123456789"]), 0xe306_9283);
        assert_eq!(crc32c(&[b"1234", b"", b"56789"]), 0xe306_9283);
        assert_eq!(crc32c(&[&[0; 32]]), 0x8a91_36aa);
        assert_eq!(crc32c(&[&[0xff; 32]]), 0x62a8_ab43);
        assert_eq!(crc32c(&[]), 0);
    }
}
