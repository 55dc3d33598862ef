//! Random texts.

use aws_lc_rs::rand;
use data_encoding::BASE64URL_NOPAD;

/// 256 random bits, base64url; `None` if the system provides no random numbers.
pub(crate) fn text_256() -> Option<String> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).ok()?;
    Some(BASE64URL_NOPAD.encode(&bytes))
}
