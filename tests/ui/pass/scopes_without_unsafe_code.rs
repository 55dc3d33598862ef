//! What `scope!` expands to is accepted in a crate that forbids unsafe code and warnings.

#![forbid(unsafe_code)]
#![deny(warnings, missing_docs)]

use actix_resource_server::{Access, Scope, Scoped, scope};

scope!(pub Read = "docs:read");
scope!(
    /// Documents can be changed.
    pub Write = "docs:write", implies Read,
);

/// Made by hand.
pub struct Own;

impl Scope for Own {
    const NAME: &'static str = "own";
}

fn main() {
    scope!(Admin = "admin", implies Write, Own);
    let requirement = Scoped::<(Read, Own, Admin)>::requirement().to_string();
    assert_eq!(
        requirement,
        "a token with docs:read (implied by admin, docs:write) and own (implied by admin) and admin"
    );
}
