//! Padmé: a length that tells little.

/// The Padmé length for `len` bytes: the smallest number ≥ `len` whose low bits are zero, keeping
/// log2(log2(len)) + 1 significant bits below the leading one. At most 12 % more (at small sizes),
/// falling as sizes grow, so that a length reveals O(log log) bits.
///
/// Source: Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and Communication with
/// PURBs", PETS 2019, algorithm 1.
pub fn padded(len: usize) -> usize {
    if len < 2 {
        return len;
    }
    let exponent = len.ilog2();
    let kept = exponent.ilog2() + 1;
    let mask = (1usize << (exponent - kept.min(exponent))) - 1;
    (len + mask) & !mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_never_shrinks_and_never_adds_more_than_twelve_percent() {
        for len in 0..200_000 {
            let p = padded(len);
            assert!(p >= len);
            assert!((p - len) * 100 <= len * 12, "{len} -> {p}");
            assert_eq!(padded(p), p, "padding is stable");
        }
    }

    #[test]
    fn known_lengths() {
        assert_eq!(padded(0), 0);
        assert_eq!(padded(1), 1);
        assert_eq!(padded(9), 10);
        assert_eq!(padded(1000), 1024);
        assert_eq!(padded(1_000_000), 1_015_808);
    }
}
