//! Reads fetched JSON documents, and names what a document is that is no such JSON.

use serde::Deserialize;

/// Why a document cannot be used; shows nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Content {
    #[error("it is empty")]
    Empty,
    #[error("it is a page in HTML or XML")]
    Markup,
    #[error("it names no issuer")]
    NoIssuer,
    #[error("it has no list of keys")]
    NoKeys,
    #[error("it is not JSON")]
    NotJson,
    #[error("its JSON has another structure")]
    Structure,
    #[error("an endpoint in it is not a URL")]
    Url,
    #[error("it is encoded in UTF-16 or UTF-32, not in UTF-8")]
    WideEncoding,
}

/// Parses JSON in UTF-8, whose byte order mark is skipped (RFC 8259 §8.1).
///
/// # Errors
/// [`Content`] names what the document is instead.
pub(super) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Content> {
    let text = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    serde_json::from_slice(text).map_err(|error| match text.trim_ascii_start() {
        [] => Content::Empty,
        // The byte order marks of UTF-16, or an ASCII character of two or four bytes.
        [0xFE, 0xFF, ..] | [0xFF, 0xFE, ..] | [0, ..] | [_, 0, ..] => Content::WideEncoding,
        [b'<', ..] => Content::Markup,
        _ if error.is_data() => Content::Structure,
        _ => Content::NotJson,
    })
}

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn a_byte_order_mark_is_skipped_once() {
        let read = |body: &'static str| parse::<HashMap<&str, u8>>(body.as_bytes());
        assert_eq!(read("\u{feff}{\"a\":1}"), Ok([("a", 1)].into()));
        assert_eq!(read("\u{feff}\u{feff}{\"a\":1}"), Err(Content::NotJson));
        assert_eq!(read("\u{feff}"), Err(Content::Empty));
    }

    #[test]
    fn what_is_no_json_of_the_structure_is_named() {
        let utf_16: Vec<u8> = "{}".encode_utf16().flat_map(u16::to_be_bytes).collect();
        for (body, expected) in [
            (b"".as_slice(), Content::Empty),
            (b" \r\n", Content::Empty),
            (b"\n<!DOCTYPE html>", Content::Markup),
            (b"\xFF\xFE{\0}\0", Content::WideEncoding),
            (b"{\0}\0", Content::WideEncoding),
            (&utf_16, Content::WideEncoding),
            (b"{\"a\":", Content::NotJson),
            (b"{\"a\":1}{}", Content::NotJson),
            (b"not found", Content::NotJson),
            (b"{\"\xff\":1}", Content::NotJson),
            (b"[]", Content::Structure),
            (b"null", Content::Structure),
            (b"{\"a\":\"b\"}", Content::Structure),
        ] {
            let read = parse::<HashMap<String, u8>>(body);
            assert_eq!(read, Err(expected), "{body:?}");
        }
    }
}
