//! Which spellings of a URL mean one path for every server.
//!
//! The API behind the proxy reads the URL again, with rules of its own: it may resolve dots, merge slashes, cut parameters
//! off, decode once more, or turn a backslash. What may mean another path for any of them is rejected. RFC 3986 has clients
//! send none of it: dots are resolved and unreserved characters are written as they are.

/// A URL that servers may read differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ambiguous;

/// Checks the target of a request, such as `/orders/7?expand=items`.
///
/// ```text
/// target  = 1*( "/" segment ) [ "?" query ]       ; only the last segment may be empty
/// segment = *( unreserved / "!" / "$" / "&" / "'" / "(" / ")" / "*" / "+" / "," / "=" / ":" / "@" / escaped )
/// escaped = the bytes of a printable character that may not be written as it is, without / \ % ? # ;
/// ```
///
/// A segment that is not empty ends in neither a dot nor a space.
pub(super) fn check(target: &str) -> Result<(), Ambiguous> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let is_query = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
    let segments = path.strip_prefix('/').ok_or(Ambiguous)?;
    let mut segments = segments.split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        if segment.is_empty() && !is_last {
            return Err(Ambiguous);
        }
        check_segment(segment)?;
    }
    query.bytes().all(is_query).then_some(()).ok_or(Ambiguous)
}

fn check_segment(segment: &str) -> Result<(), Ambiguous> {
    let text = decoded(segment)?;
    let is_cut = text.ends_with(['.', ' ']);
    let is_allowed = text.chars().all(is_allowed);
    (is_allowed && !is_cut).then_some(()).ok_or(Ambiguous)
}

/// The text of a segment.
fn decoded(segment: &str) -> Result<String, Ambiguous> {
    let mut decoded = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => escaped(bytes.next(), bytes.next())?,
            byte if is_written_plainly(byte) => byte,
            _ => return Err(Ambiguous),
        });
    }
    // Overlong forms are not UTF-8.
    String::from_utf8(decoded).map_err(|_| Ambiguous)
}

/// The byte of an escape, unless it is one that servers read differently.
fn escaped(high: Option<u8>, low: Option<u8>) -> Result<u8, Ambiguous> {
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
    let byte = digit(high).zip(digit(low)).ok_or(Ambiguous)?;
    let byte = u8::try_from(byte.0 * 16 + byte.1).map_err(|_| Ambiguous)?;
    if is_unreserved(byte) || SEPARATORS.contains(&byte) {
        return Err(Ambiguous);
    }
    Ok(byte)
}

fn is_written_plainly(byte: u8) -> bool {
    is_unreserved(byte) || b"!$&'()*+,=:@".contains(&byte)
}

/// RFC 3986 §2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// Neither a control character, nor one that Unicode's compatibility forms turn into ASCII characters of paths: the
/// full-width ones, and the dots of leaders.
fn is_allowed(character: char) -> bool {
    !character.is_control()
        && !('\u{ff01}'..='\u{ff5e}').contains(&character)
        && !('\u{2024}'..='\u{2026}').contains(&character)
}

/// Escaped, they separate segments, parameters or escapes for servers that decode first.
const SEPARATORS: &[u8] = b"/\\%?#;";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_urls_have_one_meaning() {
        for target in [
            "/",
            "/a",
            "/a/",
            "/a/b.txt",
            "/.well-known/a",
            "/a..b/c.d.e",
            "/~user/-_.!$&'()*+,=:@x",
            "/caf%C3%A9/%e2%82%ac",
            "/a%20b",
            "/user%40host.example",
            "/%7Bid%7D/%5B1%5D",
            "/a%2Bb%3Dc%26d%3A%2C",
            "/a?",
            "/a?b=c&d[e]={f}|g",
            "/a?u=https://b/../c//d;e\\f%2F%00?g",
        ] {
            assert_eq!(check(target), Ok(()), "{target}");
        }
    }

    #[test]
    fn everything_that_may_mean_another_path_is_rejected() {
        for target in [
            "",
            "a",
            "*",
            "?a",
            "//",
            "//a",
            "/a//b",
            "/a//",
            "http://h/a",
            "/.",
            "/..",
            "/a/./b",
            "/a/../b",
            "/a/..",
            "/...",
            "/a.",
            "/a./b",
            "/a%20",
            "/a%20/b",
            "/%20",
            "/%2e",
            "/%2E%2e/a",
            "/a/%2e%2e/b",
            "/.%2e/a",
            "/a%2fb",
            "/a%2Fb",
            "/a%5cb",
            "/a\\b",
            "/a;b",
            "/a;/b",
            "/;a",
            "/a%3bb",
            "/a%3Bb",
            "/a%00",
            "/a%0a",
            "/a%0d%0ab",
            "/a%7f",
            "/a%1f",
            "/a%c2%80",
            "/%61",
            "/a%62c",
            "/a%2d",
            "/a%5F",
            "/a%7e",
            "/a%25",
            "/a%252e",
            "/a%252fb",
            "/a%25252fb",
            "/a%3fb",
            "/a%23b",
            "/a#b",
            "/a?b#c",
            "/a%",
            "/a%4",
            "/a%4g",
            "/a%g4",
            "/a%u002f",
            "/a%c0%af",
            "/a%c0%ae",
            "/a%e0%80%af",
            "/a%f0%80%80%af",
            "/a%ff",
            "/a%c3",
            "/a%ed%a0%80",
            "/a b",
            "/a\tb",
            "/a\"b",
            "/a<b",
            "/a>b",
            "/a[b",
            "/a^b",
            "/a`b",
            "/a{b",
            "/a|b",
            "/a}b",
            "/ä",
            "/a?ä",
            "/a? b",
            "/%ef%bc%8fa",
            "/a%ef%bc%8e",
            "/%ef%bd%81",
            "/%e2%80%a5/a",
        ] {
            assert_eq!(check(target), Err(Ambiguous), "{target}");
        }
    }
}
