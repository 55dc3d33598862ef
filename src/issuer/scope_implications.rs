//! Scopes that imply others by configuration.

use std::collections::BTreeMap;

use super::IssuerError;
use crate::claims::scope::{ScopeSet, is_scope_token};

/// For each wider scope all scopes that it implies, directly or through others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ScopeImplications(BTreeMap<String, Vec<String>>);

impl ScopeImplications {
    /// Each wider scope with those that it implies directly.
    ///
    /// # Errors
    /// A name is no scope (RFC 6749 §3.3), or a scope implies itself, be it through others.
    pub(super) fn new(direct: &BTreeMap<String, Vec<String>>) -> Result<Self, IssuerError> {
        let mut names = direct.keys().chain(direct.values().flatten());
        if !names.all(|name| is_scope_token(name)) {
            return Err(IssuerError::ImpliedScope);
        }
        let all = direct.keys().map(|wide| {
            let narrow = reachable(wide, direct);
            if narrow.contains(wide) {
                return Err(IssuerError::ScopeImpliesItself {
                    scope: wide.clone(),
                });
            }
            Ok((wide.clone(), narrow))
        });
        all.collect::<Result<_, _>>().map(Self)
    }

    /// Each wider scope with those that it implies.
    #[cfg(feature = "service")]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        let all = self.0.iter();
        all.map(|(wide, narrow)| (wide.as_str(), narrow.as_slice()))
    }

    /// The scopes that `granted` implies and does not have.
    pub(crate) fn beyond(&self, granted: &ScopeSet) -> Vec<&str> {
        let mut implied = Vec::new();
        if self.0.is_empty() {
            return implied;
        }
        for narrow in granted.iter().filter_map(|wide| self.0.get(wide)).flatten() {
            if !implied.contains(&narrow.as_str()) && !granted.contains(narrow) {
                implied.push(narrow);
            }
        }
        implied
    }
}

/// All scopes that `wide` implies, each once.
fn reachable(wide: &str, direct: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut pending = vec![wide];
    while let Some(scope) = pending.pop() {
        for narrow in direct.get(scope).into_iter().flatten() {
            if !found.contains(narrow) {
                found.push(narrow.clone());
                pending.push(narrow);
            }
        }
    }
    found.sort_unstable();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::scope::ScopeValue;

    fn implications(pairs: &[(&str, &[&str])]) -> Result<ScopeImplications, IssuerError> {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let direct = pairs
            .iter()
            .map(|&(wide, narrow)| (wide.to_owned(), owned(narrow)));
        ScopeImplications::new(&direct.collect())
    }

    fn beyond(implications: &ScopeImplications, granted: &str) -> Vec<String> {
        let mut scopes = ScopeSet::default();
        scopes.add(ScopeValue::Text(granted.to_owned()));
        let implied = implications.beyond(&scopes);
        implied.into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn a_scope_implies_others_through_others_each_once() {
        let all = implications(&[
            ("admin", &["write", "comment"]),
            ("write", &["read"]),
            ("comment", &["read"]),
        ]);
        let all = all.expect("no cycle");
        assert_eq!(beyond(&all, "admin"), ["comment", "read", "write"]);
        assert_eq!(beyond(&all, "write read"), Vec::<String>::new());
        assert_eq!(beyond(&all, "write comment"), ["read"]);
        for other in ["", "read", "Admin", "admins", "adm\u{131}n"] {
            assert_eq!(beyond(&all, other), Vec::<String>::new(), "{other}");
        }
    }

    #[test]
    fn no_scope_implies_itself() {
        let itself = |scope: &str| {
            Err(IssuerError::ScopeImpliesItself {
                scope: scope.to_owned(),
            })
        };
        assert_eq!(implications(&[("a", &["a"])]), itself("a"));
        let cycle: [(&str, &[&str]); 3] = [("a", &["b"]), ("b", &["c", "d"]), ("c", &["a"])];
        assert_eq!(implications(&cycle), itself("a"));
        // From outside of a cycle, too.
        let cycle: [(&str, &[&str]); 3] = [("a", &["b"]), ("b", &["c"]), ("c", &["b"])];
        assert_eq!(implications(&cycle), itself("b"));
    }

    #[test]
    fn names_are_scopes() {
        for bad in ["", "a b", "a\"", "ä"] {
            assert_eq!(
                implications(&[(bad, &["a"])]),
                Err(IssuerError::ImpliedScope)
            );
            assert_eq!(
                implications(&[("a", &[bad])]),
                Err(IssuerError::ImpliedScope)
            );
        }
        assert!(implications(&[("a", &[])]).is_ok());
    }
}
