//! The output of a child process, line by line, for tests to wait for.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

/// One output stream of a process, read as it arrives.
#[derive(Clone)]
pub(crate) struct Transcript(Arc<Shared>);

#[derive(Default)]
struct Shared {
    written: Mutex<Written>,
    more: Condvar,
}

#[derive(Default)]
struct Written {
    text: String,
    ended: bool,
}

impl Transcript {
    /// Reads `stream` to its end, on a thread of its own.
    pub(crate) fn of(stream: impl Read + Send + 'static) -> Self {
        let transcript = Self(Arc::default());
        let writer = transcript.clone();
        thread::spawn(move || {
            let mut lines = BufReader::new(stream);
            let mut line = Vec::new();
            while lines
                .read_until(b'\n', &mut line)
                .is_ok_and(|read| read > 0)
            {
                writer.add(&String::from_utf8_lossy(&line));
                line.clear();
            }
            writer.written().ended = true;
            writer.0.more.notify_all();
        });
        transcript
    }

    /// All that was written so far.
    pub(crate) fn text(&self) -> String {
        self.written().text.clone()
    }

    /// Waits until `find` returns something for the text, also once the stream has ended.
    pub(crate) fn find<T>(&self, find: impl Fn(&str) -> Option<T>) -> Option<T> {
        let unfinished = |written: &mut Written| !written.ended && find(&written.text).is_none();
        let waited = self
            .0
            .more
            .wait_timeout_while(self.written(), LIMIT, unfinished);
        let (written, _) = waited.unwrap();
        find(&written.text)
    }

    /// Waits until the stream ends, as it does with its process.
    pub(crate) fn wait_for_end(&self) -> bool {
        let unfinished = |written: &mut Written| !written.ended;
        let waited = self
            .0
            .more
            .wait_timeout_while(self.written(), LIMIT, unfinished);
        waited.unwrap().0.ended
    }

    fn add(&self, line: &str) {
        self.written().text.push_str(line);
        self.0.more.notify_all();
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.0.written.lock().unwrap()
    }
}

/// Longer than anything that a passing test waits for.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);
