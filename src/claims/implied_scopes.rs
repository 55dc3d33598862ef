//! Scopes that imply other scopes: a token that grants the wider one is accepted where the narrower one is required.
//!
//! A narrower scope does not know which types imply it, so each type that implies others is registered for the whole
//! program when [`scope!`](crate::scope) defines it. The relation is one of types: a scope that merely has the same name
//! implies nothing.

use std::any::TypeId;
use std::collections::HashMap;
use std::sync::OnceLock;

use super::scope::Scope;

/// A scope that another one implies; made by [`scope!`](crate::scope).
#[derive(Clone, Copy, Debug)]
pub struct ImpliedScope {
    of_type: fn() -> TypeId,
    implies: &'static [Self],
}

impl ImpliedScope {
    /// The scope `S`, with those that it implies in turn.
    #[doc(hidden)]
    #[must_use]
    pub const fn of<S: Scope>() -> Self {
        Self {
            of_type: TypeId::of::<S>,
            implies: S::IMPLIES,
        }
    }
}

/// The registration of a scope that implies others.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct WiderScope {
    name: &'static str,
    implies: &'static [ImpliedScope],
}

impl WiderScope {
    #[must_use]
    pub const fn of<S: Scope>() -> Self {
        Self {
            name: S::NAME,
            implies: S::IMPLIES,
        }
    }
}

inventory::collect!(WiderScope);

/// The names of the scopes that imply `S`, in alphabetical order.
pub(crate) fn wider_than<S: Scope>() -> &'static [&'static str] {
    static WIDER: OnceLock<HashMap<TypeId, Vec<&'static str>>> = OnceLock::new();
    let wider = WIDER.get_or_init(|| {
        let mut wider = HashMap::new();
        for scope in inventory::iter::<WiderScope> {
            add(scope.name, scope.implies, &mut wider);
        }
        wider
    });
    wider.get(&TypeId::of::<S>()).map_or(&[], Vec::as_slice)
}

/// Adds `name` to those that imply each of `narrower`, and what that implies. The compiler has evaluated the constants, so
/// there is no cycle.
fn add(
    name: &'static str,
    narrower: &[ImpliedScope],
    wider: &mut HashMap<TypeId, Vec<&'static str>>,
) {
    for scope in narrower {
        let names = wider.entry((scope.of_type)()).or_default();
        if let Err(at) = names.binary_search(&name) {
            names.insert(at, name);
        }
        add(name, scope.implies, wider);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::scope!(Read = "papers:read");
    crate::scope!(Comment = "papers:comment", implies Read);
    crate::scope!(Write = "papers:write", implies Read, Comment,);
    crate::scope!(Admin = "papers:admin", implies Write);
    crate::scope!(OtherRead = "papers:read");

    #[test]
    fn a_scope_is_implied_directly_and_through_others() {
        let all = ["papers:admin", "papers:comment", "papers:write"];
        assert_eq!(wider_than::<Read>(), all);
        assert_eq!(wider_than::<Comment>(), ["papers:admin", "papers:write"]);
        assert_eq!(wider_than::<Write>(), ["papers:admin"]);
        assert!(wider_than::<Admin>().is_empty());
    }

    #[test]
    fn a_type_with_the_same_name_is_another_scope() {
        assert!(wider_than::<OtherRead>().is_empty());
    }
}
