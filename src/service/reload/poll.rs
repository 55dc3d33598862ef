//! Detects changes of what is looked at again and again.

/// What was found last. A change counts once it is found twice in a row: then it is complete, and no file is still being
/// written.
#[derive(Debug)]
pub(super) struct Poll<T> {
    handled: T,
    seen: Option<T>,
}

impl<T: PartialEq> Poll<T> {
    pub(super) fn new(handled: T) -> Self {
        Self {
            handled,
            seen: None,
        }
    }

    /// Returns `found` if it is a change that is complete; it must be found twice again unless it is then
    /// [handled](Self::handle).
    pub(super) fn news(&mut self, found: T) -> Option<T> {
        let is_complete = self.seen.as_ref() == Some(&found);
        if is_complete && found != self.handled {
            self.seen = None;
            return Some(found);
        }
        self.seen = Some(found);
        None
    }

    /// Takes `found` as handled, however it was found.
    pub(super) fn handle(&mut self, found: T) {
        self.handled = found;
        self.seen = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Finds each in turn, and handles what is news.
    fn handled(poll: &mut Poll<char>, found: &str) -> Vec<char> {
        let mut handled = Vec::new();
        for found in found.chars() {
            if let Some(news) = poll.news(found) {
                handled.push(news);
                poll.handle(news);
            }
        }
        handled
    }

    #[test]
    fn a_change_counts_once_and_when_it_is_found_twice_in_a_row() {
        let mut poll = Poll::new('a');
        assert!(handled(&mut poll, "aabcb").is_empty());
        assert_eq!(handled(&mut poll, "ccccc"), ['c']);
        assert_eq!(handled(&mut poll, "aaa"), ['a']);
        poll.handle('d');
        assert_eq!(handled(&mut poll, "ddaa"), ['a']);
    }

    #[test]
    fn a_change_that_was_not_handled_counts_again() {
        let mut poll = Poll::new('a');
        assert_eq!((poll.news('b'), poll.news('b')), (None, Some('b')));
        // What was to be handled was another one by then.
        assert_eq!((poll.news('b'), poll.news('b')), (None, Some('b')));
    }
}
