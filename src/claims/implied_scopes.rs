//! Scopes that imply other scopes: a token that grants the wider one is accepted where the narrower one is required.
//!
//! A narrower scope does not know which types imply it, so each pair of types is registered for the whole program when
//! [`scope!`](crate::scope) defines the wider one. The relation is one of types: a scope that merely has the same name
//! implies nothing.

use std::any::TypeId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use super::scope::Scope;

/// The declaration that a token with the wide scope is accepted where the narrow one is required.
#[derive(Clone, Copy, Debug)]
pub struct Implication {
    wide: ScopeType,
    narrow: ScopeType,
}

/// A type of [`scope!`](crate::scope) as a value.
#[derive(Clone, Copy, Debug)]
struct ScopeType {
    name: &'static str,
    /// `TypeId::of` itself is no constant in the oldest compiler that is supported.
    type_id: fn() -> TypeId,
}

impl ScopeType {
    const fn of<S: Scope>() -> Self {
        Self {
            name: S::NAME,
            type_id: TypeId::of::<S>,
        }
    }
}

impl Implication {
    /// `Wide` implies `Narrow`.
    #[must_use]
    pub const fn of<Wide: Scope, Narrow: Scope>() -> Self {
        Self {
            wide: ScopeType::of::<Wide>(),
            narrow: ScopeType::of::<Narrow>(),
        }
    }
}

// Every declaration of the program, whether a route names its scopes or not.
inventory::collect!(Implication);

/// One more than the largest of the depths: that of a scope which implies scopes of these depths.
///
/// The depth of a scope that implies itself, over whatever other ones, cannot be evaluated, so that it does not compile.
#[must_use]
pub const fn depth(implied: &[usize]) -> usize {
    let (mut largest, mut rest) = (0, implied);
    while let [first, others @ ..] = rest {
        if *first > largest {
            largest = *first;
        }
        rest = others;
    }
    largest.saturating_add(1)
}

/// The names of the scopes that imply `S`, directly or through others, in alphabetical order.
///
/// They belong to the type and not to its name: another crate that has a scope of the same name is not affected.
pub(crate) fn wider_than<S: Scope>() -> &'static [&'static str] {
    static WIDER: OnceLock<BTreeMap<TypeId, Vec<&'static str>>> = OnceLock::new();
    let wider = WIDER.get_or_init(|| by_type(inventory::iter::<Implication>));
    let names = wider.get(&TypeId::of::<S>());
    names.map(Vec::as_slice).unwrap_or_default()
}

/// The names of the wider scopes of each type that has any.
fn by_type<'a>(
    declared: impl IntoIterator<Item = &'a Implication>,
) -> BTreeMap<TypeId, Vec<&'static str>> {
    let mut directly = BTreeMap::<_, Vec<_>>::new();
    let mut narrow = BTreeMap::new();
    for implication in declared {
        let id = (implication.narrow.type_id)();
        directly.entry(id).or_default().push(implication.wide);
        narrow.insert(id, implication.narrow.name);
    }
    let all = |(id, name)| (id, names_of(&directly, id, name));
    narrow.into_iter().map(all).collect()
}

/// The names of all scopes that imply the one with this ID, without its own name.
fn names_of(
    directly: &BTreeMap<TypeId, Vec<ScopeType>>,
    id: TypeId,
    name: &str,
) -> Vec<&'static str> {
    let (mut names, mut seen) = (BTreeSet::new(), BTreeSet::new());
    let mut pending = vec![id];
    while let Some(id) = pending.pop() {
        // Several ways may lead to one scope; each is followed once.
        for wide in directly.get(&id).into_iter().flatten() {
            if seen.insert((wide.type_id)()) {
                names.insert(wide.name);
                pending.push((wide.type_id)());
            }
        }
    }
    names.remove(name);
    names.into_iter().collect()
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

    #[test]
    fn a_scope_declared_in_a_function_counts_too() {
        crate::scope!(Inner = "inner");
        {
            crate::scope!(Outer = "outer", implies Inner);
        }
        assert_eq!(wider_than::<Inner>(), ["outer"]);
    }

    /// The number of ways to the last of these is two to the power of their number.
    #[test]
    fn many_ways_to_one_scope_are_followed_once() {
        macro_rules! diamonds {
            ($last:ident) => { crate::scope!($last = "last"); };
            ($top:ident $left:ident $right:ident $($rest:ident)+) => {
                diamonds!(@ $top $left $right $($rest)+);
                diamonds!($($rest)+);
            };
            (@ $top:ident $left:ident $right:ident $next:ident $($rest:ident)*) => {
                crate::scope!($left = "left", implies $next);
                crate::scope!($right = "right", implies $next);
                crate::scope!($top = "top", implies $left, $right);
            };
        }
        diamonds!(A1 A2 A3 B1 B2 B3 C1 C2 C3 D1 D2 D3 E1 E2 E3 F1 F2 F3 G1 G2 G3 H1 H2 H3 I1 I2 I3 J1 J2 J3
                  K1 K2 K3 L1 L2 L3 M1 M2 M3 N1 N2 N3 O1 O2 O3 P1 P2 P3 Q1 Q2 Q3 R1 R2 R3 S1 S2 S3 T1 T2 T3
                  U1 U2 U3 V1 V2 V3 W1 W2 W3 X1 X2 X3 Y1 Y2 Y3 Z1 Z2 Z3 Last);
        assert_eq!(wider_than::<Last>(), ["left", "right", "top"]);
    }
}
