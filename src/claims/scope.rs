//! Scopes that a token grants and that a route requires ([RFC 6749 §3.3]).
//!
//! [RFC 6749 §3.3]: https://www.rfc-editor.org/rfc/rfc6749#section-3.3

use std::fmt;

use super::implied_scopes::wider_than;
use super::texts::Texts;
use crate::jose::json::OneOrMany;

/// One scope that a route may ask for; made by [`scope!`](crate::scope).
///
/// ```text
/// scope-token = 1*( %x21 / %x23-5B / %x5D-7E )      ; such as read:messages
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no scope",
    label = "a scope is needed here",
    note = "`scope!(pub ReadMessages = \"read:messages\");` makes one"
)]
pub trait Scope: 'static {
    /// The scope as tokens carry it.
    const NAME: &'static str;

    /// The length of the longest chain of scopes that this one implies; set by `scope!`, which registers them.
    #[doc(hidden)]
    const DEPTH: usize = 0;
}

/// Makes a type for a scope, so that `Scoped<ReadMessages>` can ask for it.
///
/// The name is checked against the grammar of RFC 6749 §3.3 while compiling.
///
/// A scope may imply others: their routes then accept tokens with the wider scope, although challenges name the narrower
/// one. Scopes that imply each other do not compile.
///
/// # Examples
/// ```
/// use actix_resource_server::scope;
///
/// scope!(pub ReadMessages = "read:messages");
/// scope!(pub WriteMessages = "write:messages", implies ReadMessages);
/// ```
///
/// ```compile_fail
/// actix_resource_server::scope!(ReadMessages = "read messages");
/// ```
#[macro_export]
macro_rules! scope {
    (
        $(#[$attribute:meta])*
        $visibility:vis $name:ident = $scope:literal $(, implies $($implied:ty),+)? $(,)?
    ) => {
        $(#[$attribute])*
        #[doc = concat!("The scope `", $scope, "`.")]
        #[derive(Clone, Copy, Debug)]
        $visibility struct $name;

        const _: () = ::core::assert!(
            $crate::__private::is_scope_token($scope),
            "a scope is one or more visible ASCII characters other than the quotation mark and the backslash"
        );

        $($($crate::__private::inventory::submit! {
            $crate::__private::Implication::of::<$name, $implied>()
        })+)?

        impl $crate::Scope for $name {
            const NAME: &'static str = $scope;
            $(const DEPTH: usize = $crate::__private::depth(&[$(<$implied as $crate::Scope>::DEPTH),+]);)?
        }

        // Evaluated here, so that a scope that implies itself does not compile.
        const _: usize = <$name as $crate::Scope>::DEPTH;
    };
}

/// The scope that asks for a refresh token; it is the issuer's and no API's (OpenID Connect Core §11).
pub(crate) const OFFLINE_ACCESS: &str = "offline_access";

/// Whether `text` is a `scope-token` (RFC 6749 §3.3).
#[doc(hidden)]
#[must_use]
pub const fn is_scope_token(text: &str) -> bool {
    let mut rest = text.as_bytes();
    if rest.is_empty() {
        return false;
    }
    while let [first, others @ ..] = rest {
        if !matches!(first, 0x21 | 0x23..=0x5B | 0x5D..=0x7E) {
            return false;
        }
        rest = others;
    }
    true
}

/// The scopes that a route requires: one, all of a tuple, or [`AnyOf`] several.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no demand on scopes",
    label = "a scope is needed here, or several: a tuple of them, or `AnyOf` a tuple",
    note = "`scope!(pub ReadMessages = \"read:messages\");` makes one"
)]
pub trait Scopes: 'static {
    /// The ways to fulfil the demand, the first being the one that a challenge names;
    /// within one way, all scopes are needed.
    fn alternatives() -> Vec<Vec<&'static str>>;

    /// Whether `granted` fulfils the demand.
    fn met_by(granted: &ScopeSet) -> bool;

    /// The required scopes that wider ones imply, each with the names of those.
    #[must_use]
    fn implied() -> Vec<(&'static str, &'static [&'static str])> {
        Vec::new()
    }
}

impl<S: Scope> Scopes for S {
    fn alternatives() -> Vec<Vec<&'static str>> {
        vec![vec![S::NAME]]
    }

    fn met_by(granted: &ScopeSet) -> bool {
        granted.contains(S::NAME)
            || wider_than::<S>()
                .iter()
                .any(|wider| granted.contains(wider))
    }

    fn implied() -> Vec<(&'static str, &'static [&'static str])> {
        let wider = wider_than::<S>();
        if wider.is_empty() {
            Vec::new()
        } else {
            vec![(S::NAME, wider)]
        }
    }
}

/// Any one of a tuple's members suffices: `AnyOf<(ReadMessages, (ReadAll, Export))>`.
pub struct AnyOf<T>(std::marker::PhantomData<fn() -> T>);

impl<T> fmt::Debug for AnyOf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnyOf")
    }
}

macro_rules! scopes_of_tuples {
    ($($member:ident)+) => {
        impl<$($member: Scopes),+> Scopes for ($($member,)+) {
            fn alternatives() -> Vec<Vec<&'static str>> {
                let mut ways = vec![Vec::new()];
                $( ways = each_with_each(&ways, &$member::alternatives()); )+
                ways
            }

            fn met_by(granted: &ScopeSet) -> bool {
                $( $member::met_by(granted) )&&+
            }

            fn implied() -> Vec<(&'static str, &'static [&'static str])> {
                [$( $member::implied() ),+].concat()
            }
        }

        impl<$($member: Scopes),+> Scopes for AnyOf<($($member,)+)> {
            fn alternatives() -> Vec<Vec<&'static str>> {
                [$( $member::alternatives() ),+].concat()
            }

            fn met_by(granted: &ScopeSet) -> bool {
                $( $member::met_by(granted) )||+
            }

            fn implied() -> Vec<(&'static str, &'static [&'static str])> {
                [$( $member::implied() ),+].concat()
            }
        }
    };
}

scopes_of_tuples! { A }
scopes_of_tuples! { A B }
scopes_of_tuples! { A B C }
scopes_of_tuples! { A B C D }
scopes_of_tuples! { A B C D E }
scopes_of_tuples! { A B C D E F }
scopes_of_tuples! { A B C D E F G }
scopes_of_tuples! { A B C D E F G H }

/// Every way of one demand with every way of another: both are to be met.
pub(crate) fn each_with_each(
    ways: &[Vec<&'static str>],
    more: &[Vec<&'static str>],
) -> Vec<Vec<&'static str>> {
    let pairs = ways
        .iter()
        .flat_map(|way| more.iter().map(move |added| (way, added)));
    pairs
        .map(|(way, added)| [way.as_slice(), added].concat())
        .collect()
}

/// The scopes that a token grants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScopeSet(Texts);

impl ScopeSet {
    /// Whether `scope` is granted, compared exactly.
    #[must_use]
    pub fn contains(&self, scope: &str) -> bool {
        self.0.contains(scope)
    }

    /// Every scope that is granted, in the order of the token; one that is written twice comes twice.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter()
    }

    /// Whether no scope at all is granted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Leaves out empty names.
    pub(crate) fn of(scopes: &[&str]) -> Self {
        let scopes = scopes.iter().copied();
        Self(Texts::of(scopes.filter(|scope| !scope.is_empty())))
    }

    /// The bytes allocated for the scopes.
    pub(crate) fn allocated(&self) -> usize {
        self.0.allocated()
    }
}

/// The scopes in the value of a claim: a string of them, separated by U+0020, or an array of strings.
pub(crate) fn scopes_in<'c>(claim: &'c OneOrMany<'_>) -> Vec<&'c str> {
    match claim {
        OneOrMany::One(scopes) => scopes.split(' ').collect(),
        OneOrMany::Many(_) => claim.iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    scope!(Read = "read");
    scope!(Write = "write");
    scope!(Admin = "admin");

    fn granting(scopes: &str) -> ScopeSet {
        ScopeSet::of(&scopes_in(&OneOrMany::One(scopes.into())))
    }

    #[test]
    fn the_grammar_of_a_scope() {
        for good in [
            "a",
            "read:messages",
            "!",
            "~",
            "https://api/scope",
            "[",
            "]",
        ] {
            assert!(is_scope_token(good), "{good}");
        }
        for bad in ["", " ", "a b", "a\"", "a\\", "a\t", "a\u{7f}", "ä"] {
            assert!(!is_scope_token(bad), "{bad}");
        }
    }

    #[test]
    fn a_string_is_split_at_spaces_only() {
        let cases = [
            ("read", true),
            ("write read", true),
            (" read ", true),
            ("a  read", true),
            ("Read", false),
            ("read\twrite", false),
            ("read,write", false),
            ("read\u{a0}write", false),
            ("reader", false),
            ("", false),
        ];
        for (granted, expected) in cases {
            assert_eq!(granting(granted).contains("read"), expected, "{granted:?}");
        }
    }

    #[test]
    fn an_array_is_compared_member_by_member() {
        let granted = |value: &serde_json::Value| {
            OneOrMany::of(value)
                .is_some_and(|claim| ScopeSet::of(&scopes_in(&claim)).contains("read"))
        };
        assert!(granted(&json!(["write", "read"])));
        assert!(!granted(&json!(["read write"])));
        for other in [
            json!(null),
            json!(1),
            json!(true),
            json!({"read": true}),
            json!(["read", 1]),
        ] {
            assert!(!granted(&other), "{other}");
        }
    }

    #[test]
    fn a_tuple_needs_all_and_any_of_needs_one() {
        type ReadOrBoth = AnyOf<(Read, (Write, Admin))>;
        assert!(<(Read, Write)>::met_by(&granting("read write")));
        assert!(!<(Read, Write)>::met_by(&granting("read")));
        assert!(ReadOrBoth::met_by(&granting("read")));
        assert!(ReadOrBoth::met_by(&granting("admin write")));
        assert!(!ReadOrBoth::met_by(&granting("admin")));
    }

    #[test]
    fn alternatives_are_listed_in_order() {
        assert_eq!(<(Read, Write)>::alternatives(), [["read", "write"]]);
        assert_eq!(
            <AnyOf<(Read, (Write, Admin))>>::alternatives(),
            [vec!["read"], vec!["write", "admin"]]
        );
        assert_eq!(
            <(Admin, AnyOf<(Read, Write)>)>::alternatives(),
            [["admin", "read"], ["admin", "write"]]
        );
    }
}
