//! Scopes that imply each other, and one that implies itself.

use actix_resource_server::scope;

scope!(Read = "read", implies Write);
scope!(Write = "write", implies Read);
scope!(Own = "own", implies Own);
scope!(NoScope = "other", implies String);

fn main() {}
