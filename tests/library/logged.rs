//! The log lines of each test.

use std::cell::RefCell;
use std::sync::Once;

thread_local! {
    static LINES: RefCell<Vec<(log::Level, String)>> = const { RefCell::new(Vec::new()) };
}

/// Records the log of each thread, so that parallel tests do not interfere.
struct LinesOfThisThread;

impl log::Log for LinesOfThisThread {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let ours = record.target().starts_with("actix_resource_server");
        if ours {
            let line = (record.level(), record.args().to_string());
            LINES.with_borrow_mut(|lines| lines.push(line));
        }
    }

    fn flush(&self) {}
}

/// Records what the current thread logs from now on.
pub(crate) fn keep() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&LinesOfThisThread).expect("no other logger in this binary");
        log::set_max_level(log::LevelFilter::Trace);
    });
    LINES.take();
}

/// The lines that the current thread has logged since.
pub(crate) fn take() -> Vec<(log::Level, String)> {
    LINES.take()
}
