//! What must not compile, with the compiler's messages, and what must.

use std::io::Write;

/// The compiler rejects a route that does not declare who may call it, with a message of ours, and
/// everything that would construct an access type without a token.
#[test]
fn misuse_does_not_compile() {
    if !is_compiler_of_the_texts() {
        skip();
        return;
    }
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
    cases.pass("tests/ui/pass/*.rs");
}

/// Fails in CI, where nothing may be skipped; elsewhere, the message goes where the harness does not capture it.
fn skip() {
    let message = format!(
        "SKIPPED: no test of tests/ui was made, since their texts are those of {COMPILER}x; \
         `cargo +1.95.0 test --test ui` makes them"
    );
    let is_ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
    assert!(!is_ci, "{message}");
    writeln!(std::io::stderr(), "{message}").expect("standard error");
}

/// Compilers word what they add around our messages differently.
fn is_compiler_of_the_texts() -> bool {
    let output = std::process::Command::new("rustc")
        .arg("--version")
        .output();
    let version = output.expect("the compiler prints its version").stdout;
    String::from_utf8_lossy(&version).starts_with(COMPILER)
}

const COMPILER: &str = "rustc 1.95.";
