//! What must not compile, with the message that the reader will see.

/// A route that does not say who may call it is refused by the compiler, in our words; so is
/// whatever would make a proof of access without a token.
#[test]
fn a_mistake_is_named_by_the_compiler() {
    if !is_compiler_of_the_texts() {
        return;
    }
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}

/// Compilers word what they add around our messages differently.
fn is_compiler_of_the_texts() -> bool {
    let asked = std::process::Command::new("rustc")
        .arg("--version")
        .output();
    let version = asked.expect("the compiler tells its version").stdout;
    String::from_utf8_lossy(&version).starts_with(COMPILER)
}

const COMPILER: &str = "rustc 1.95.";
