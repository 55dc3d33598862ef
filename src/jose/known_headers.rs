//! The headers of authentic tokens, as they were parsed before: an issuer signs all tokens with one key under the same header.

use std::cell::RefCell;
use std::rc::Rc;

use super::compact::Header;

/// Headers by their first segments, the latest last.
#[derive(Debug, Default)]
struct KnownHeaders(Vec<(Box<str>, Rc<Header>)>);

thread_local! {
    static KNOWN: RefCell<KnownHeaders> = RefCell::default();
}

/// The header with exactly this encoding, if a token with it was authentic.
pub(super) fn find(encoded: &str) -> Option<Rc<Header>> {
    KNOWN.with_borrow(|known| known.find(encoded).cloned())
}

/// Keeps the header of an authentic token, of at most [`LONGEST`] bytes. Beyond [`MOST`], the one that was kept first is removed.
pub(super) fn insert(encoded: &str, header: &Rc<Header>) {
    KNOWN.with_borrow_mut(|known| known.insert(encoded, header));
}

impl KnownHeaders {
    fn find(&self, encoded: &str) -> Option<&Rc<Header>> {
        let mut headers = self.0.iter();
        let found = headers.find(|(known, _)| **known == *encoded);
        found.map(|(_, header)| header)
    }

    fn insert(&mut self, encoded: &str, header: &Rc<Header>) {
        if encoded.len() > LONGEST || self.find(encoded).is_some() {
            return;
        }
        if self.0.len() >= MOST {
            self.0.remove(0);
        }
        self.0.push((encoded.into(), Rc::clone(header)));
    }
}

/// How many headers each thread keeps.
const MOST: usize = 8;

/// The length of the longest segment that is kept, in bytes.
const LONGEST: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_eight_headers_are_kept_each_once() {
        let mut known = KnownHeaders::default();
        let headers = std::array::from_fn::<_, 9, _>(|_| Rc::new(Header::default()));
        for (number, header) in headers.iter().enumerate() {
            known.insert(&number.to_string(), header);
            known.insert(&number.to_string(), &Rc::default());
        }
        assert_eq!(known.0.len(), MOST);
        for (number, header) in headers.iter().enumerate() {
            let found = known.find(&number.to_string());
            let is_found = found.is_some_and(|found| Rc::ptr_eq(found, header));
            assert_eq!(is_found, number > 0, "{number}");
        }
    }

    #[test]
    fn a_long_header_is_not_kept() {
        let mut known = KnownHeaders::default();
        known.insert(&"e".repeat(LONGEST + 1), &Rc::default());
        assert!(known.0.is_empty());
    }
}
