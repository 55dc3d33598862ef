//! Random numbers of the operating system. aws-lc's own generator, which signatures use, takes 30 ms to start.

use data_encoding::BASE64URL_NOPAD;
use zeroize::Zeroizing;

/// 256 random bits; `None` if the system provides no random numbers.
pub(crate) fn bytes_256() -> Option<Zeroizing<[u8; 32]>> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *bytes).ok()?;
    Some(bytes)
}

/// 256 random bits, base64url; `None` if the system provides no random numbers.
pub(crate) fn text_256() -> Option<String> {
    Some(BASE64URL_NOPAD.encode(&*bytes_256()?))
}
