//! SHA-256 (FIPS 180-4).

#[cfg(feature = "service")]
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};

/// SHA-256 (FIPS 180-4).
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    for (to, from) in hash.iter_mut().zip(digest(&SHA256, bytes).as_ref()) {
        *to = *from;
    }
    hash
}

/// Whether two secrets are the same, in a time that tells nothing of their contents but their lengths.
#[cfg(feature = "service")]
pub(crate) fn are_equal(one: &[u8], other: &[u8]) -> bool {
    verify_slices_are_equal(&sha256(one), &sha256(other)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_text_has_its_well_known_hash() {
        let hash = data_encoding::HEXLOWER.encode(&sha256(b""));
        assert_eq!(
            hash,
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    #[cfg(feature = "service")]
    #[test]
    fn secrets_are_equal_as_a_whole() {
        assert!(are_equal(b"secret", b"secret"));
        for other in [&b"secre"[..], b"secrets", b"Secret", b""] {
            assert!(!are_equal(b"secret", other));
        }
    }
}
