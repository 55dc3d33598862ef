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

    /// Whether `found` is a change that is complete; it then counts as handled.
    pub(super) fn is_news(&mut self, found: T) -> bool {
        let is_complete = self.seen.as_ref() == Some(&found);
        if is_complete && found != self.handled {
            self.handle(found);
            return true;
        }
        self.seen = Some(found);
        false
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

    #[test]
    fn a_change_counts_once_and_when_it_is_found_twice_in_a_row() {
        let mut poll = Poll::new('a');
        let found: Vec<_> = "aabcbccccaaa"
            .chars()
            .map(|found| poll.is_news(found))
            .collect();
        let expected = [
            false, false, false, false, false, false, true, false, false, false, true, false,
        ];
        assert_eq!(found, expected);
        poll.handle('d');
        assert!(!poll.is_news('d') && !poll.is_news('d'));
        assert!(!poll.is_news('a') && poll.is_news('a'));
    }
}
