//! Scopes that imply others by configuration.

use std::collections::{BTreeMap, HashSet, VecDeque};

use super::IssuerError;
use crate::claims::scope::is_scope_token;

/// For each wider scope those that it implies directly; none implies itself, be it through others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ScopeImplications(BTreeMap<String, Vec<String>>);

impl ScopeImplications {
    /// Each wider scope with those that it implies directly.
    ///
    /// # Errors
    /// A name is no scope (RFC 6749 §3.3), they are too many, or a scope implies itself, be it through others.
    pub(super) fn new(direct: &BTreeMap<String, Vec<String>>) -> Result<Self, IssuerError> {
        let mut names = direct.keys().chain(direct.values().flatten());
        if !names.all(|name| is_scope_token(name)) {
            return Err(IssuerError::ImpliedScope);
        }
        if direct.values().flatten().nth(MOST_IMPLICATIONS).is_some() {
            return Err(IssuerError::TooManyImplications);
        }
        let all = Self(direct.clone());
        match all.0.keys().find_map(|scope| all.cycle_of(scope)) {
            Some(cycle) => Err(IssuerError::ScopeImpliesItself { cycle }),
            None => Ok(all),
        }
    }

    /// Each wider scope with those that it implies, directly or through others.
    #[cfg(feature = "openapi")]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, Vec<&str>)> {
        let wide = self.0.keys().map(String::as_str);
        wide.map(|wide| (wide, self.implied_by([wide])))
    }

    /// Each wider scope with those that it implies, directly or through others.
    #[cfg(feature = "openapi")]
    pub(crate) fn to_vec(&self) -> Vec<(String, Vec<String>)> {
        let all = self.iter();
        all.map(|(wide, narrow)| {
            (
                wide.to_owned(),
                narrow.into_iter().map(str::to_owned).collect(),
            )
        })
        .collect()
    }

    /// The scopes that `granted` implies and does not have, each once.
    pub(crate) fn beyond<'a>(&'a self, granted: &[&'a str]) -> Vec<&'a str> {
        if self.0.is_empty() {
            return Vec::new();
        }
        self.implied_by(granted.iter().copied())
    }

    /// Takes time in proportion to the number of scopes and of implications.
    fn implied_by<'a>(&'a self, scopes: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
        let mut known = HashSet::new();
        let scopes = scopes.into_iter().filter(|scope| known.insert(*scope));
        let mut pending: VecDeque<_> = scopes.collect();
        let mut implied = Vec::new();
        while let Some(wide) = pending.pop_front() {
            let new = self.directly(wide).filter(|narrow| known.insert(narrow));
            let new: Vec<_> = new.collect();
            implied.extend(&new);
            pending.extend(new);
        }
        implied
    }

    fn directly(&self, wide: &str) -> impl Iterator<Item = &str> {
        self.0.get(wide).into_iter().flatten().map(String::as_str)
    }

    /// The shortest way over which the scope implies itself, with the scope at both ends.
    fn cycle_of(&self, scope: &str) -> Option<Vec<String>> {
        let mut implied_by = BTreeMap::new();
        let mut pending = VecDeque::from([scope]);
        while let Some(wide) = pending.pop_front() {
            for narrow in self.directly(wide) {
                if narrow == scope {
                    let before = |scope: &&str| implied_by.get(scope).copied();
                    let way = std::iter::successors(Some(wide), before);
                    let mut cycle: Vec<_> = [scope].into_iter().chain(way).collect();
                    cycle.reverse();
                    return Some(cycle.into_iter().map(str::to_owned).collect());
                }
                if !implied_by.contains_key(narrow) {
                    implied_by.insert(narrow, wide);
                    pending.push_back(narrow);
                }
            }
        }
        None
    }
}

/// Far more than any API declares; it bounds what is added to a token, and the work that this takes.
const MOST_IMPLICATIONS: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn implications(pairs: &[(&str, &[&str])]) -> Result<ScopeImplications, IssuerError> {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let direct = pairs
            .iter()
            .map(|&(wide, narrow)| (wide.to_owned(), owned(narrow)));
        ScopeImplications::new(&direct.collect())
    }

    fn beyond(implications: &ScopeImplications, granted: &str) -> Vec<String> {
        let granted: Vec<_> = granted.split(' ').collect();
        let implied = implications.beyond(&granted);
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
        assert_eq!(beyond(&all, "admin"), ["write", "comment", "read"]);
        assert_eq!(beyond(&all, "write admin write"), ["read", "comment"]);
        assert_eq!(beyond(&all, "write read"), Vec::<String>::new());
        assert_eq!(beyond(&all, "write comment"), ["read"]);
        for other in ["", "read", "Admin", "admins", "adm\u{131}n"] {
            assert_eq!(beyond(&all, other), Vec::<String>::new(), "{other}");
        }
    }

    #[test]
    fn no_scope_implies_itself() {
        let cycle = |pairs: &[(&str, &[&str])]| match implications(pairs) {
            Err(IssuerError::ScopeImpliesItself { cycle }) => cycle.join(" "),
            other => panic!("{other:?}"),
        };
        assert_eq!(cycle(&[("a", &["a"])]), "a a");
        assert_eq!(
            cycle(&[("a", &["b"]), ("b", &["c", "d"]), ("c", &["a"])]),
            "a b c a"
        );
        // From outside of a cycle, too, and over the shortest way.
        let inner: [(&str, &[&str]); 4] = [
            ("a", &["b"]),
            ("b", &["c"]),
            ("c", &["d", "b"]),
            ("d", &["b"]),
        ];
        assert_eq!(cycle(&inner), "b c b");
    }

    #[test]
    fn they_are_bounded_in_number_and_may_form_a_chain() {
        let chain = |number: usize| {
            let pairs = (0..number).map(|i| (i.to_string(), vec![i.saturating_add(1).to_string()]));
            ScopeImplications::new(&pairs.collect())
        };
        let longest = chain(MOST_IMPLICATIONS).expect("not too many");
        assert_eq!(beyond(&longest, "0").len(), MOST_IMPLICATIONS);
        let rejected = chain(MOST_IMPLICATIONS + 1);
        assert_eq!(rejected, Err(IssuerError::TooManyImplications));
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
