//! A program of its own on `Service`: its routes, settings, state, middleware, commands and end.
//!
//! The test program is that program where the variable `OWN_SERVICE` is set, and others where `ONE_CHANGE` or `AUDITED` is; so it has no test harness.

#[path = "../service/app.rs"]
#[expect(dead_code, reason = "shared with the service's tests")]
mod app;
mod audited;
mod one_change;
#[path = "../service/process.rs"]
mod process;
mod program;
#[path = "../service/transcript.rs"]
mod transcript;
#[path = "../service/wire.rs"]
#[expect(dead_code, reason = "shared with the service's tests")]
mod wire;

mod tests;

use std::panic::catch_unwind;
use std::process::ExitCode;

fn main() -> ExitCode {
    if let Ok(access) = std::env::var(one_change::ACCESS) {
        return one_change::service(access).run();
    }
    if std::env::var_os(audited::AUDITED).is_some() {
        return audited::service().run();
    }
    if std::env::var_os("OWN_SERVICE").is_some() {
        return program::service().run();
    }
    let filters: Vec<_> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let is_wanted =
        |name: &str| filters.is_empty() || filters.iter().any(|part| name.contains(part));
    let mut failed = 0;
    for (name, test) in tests::ALL {
        if is_wanted(name) {
            let passed = catch_unwind(test).is_ok();
            println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
            failed += i32::from(!passed);
        }
    }
    println!("\ntest result: {failed} failed");
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
