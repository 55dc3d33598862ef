//! The cut-offs of one process: bounded, each kept until no token that it revokes is valid any more.

use std::collections::HashMap;

use super::cut_off::{Kept, RevocationKeys, TargetHash};

/// The cut-offs, by what they revoke.
#[derive(Debug)]
pub(super) struct Table {
    cut_offs: HashMap<TargetHash, Times>,
    most: usize,
    /// When those that have ended were last removed, in seconds since the Unix epoch.
    purged_at: u64,
}

/// Seconds since the Unix epoch.
#[derive(Clone, Copy, Debug)]
struct Times {
    second: u64,
    until: u64,
}

/// No cut-off is dropped for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Table {
    pub(super) fn new(most: usize) -> Self {
        Self {
            cut_offs: HashMap::new(),
            most,
            purged_at: 0,
        }
    }

    /// Adds all of `added` or none; returns whether that changes anything.
    pub(super) fn add(&mut self, added: &[Kept], now: u64) -> Result<bool, Full> {
        self.purge(now);
        let is_new = |kept: &&Kept| !self.cut_offs.contains_key(&kept.key);
        let new = added.iter().filter(is_new).count();
        if self.cut_offs.len().saturating_add(new) > self.most {
            return Err(Full);
        }
        Ok(self.insert(added, now))
    }

    /// Adds cut-offs without a bound; returns whether that changes anything.
    pub(super) fn insert(&mut self, added: &[Kept], now: u64) -> bool {
        self.purge(now);
        let mut is_changed = false;
        for kept in added {
            let times = self.cut_offs.entry(kept.key).or_insert_with(|| {
                is_changed = true;
                Times {
                    second: kept.second,
                    until: kept.until,
                }
            });
            is_changed |= kept.second > times.second;
            times.second = times.second.max(kept.second);
            times.until = times.until.max(kept.until);
        }
        is_changed
    }

    /// Removes those that have ended; at most once a second, because it reads all.
    fn purge(&mut self, now: u64) {
        let is_full = self.cut_offs.len() >= self.most;
        let since = now.saturating_sub(self.purged_at);
        if since >= PURGE_INTERVAL || (is_full && since > 0) {
            self.purged_at = now;
            self.cut_offs.retain(|_, times| times.until > now);
        }
    }

    pub(super) fn revokes(&self, token: &RevocationKeys) -> bool {
        if self.cut_offs.is_empty() {
            return false;
        }
        let cut_offs = token.keys.iter().flatten();
        let mut cut_offs = cut_offs.filter_map(|key| self.cut_offs.get(key));
        cut_offs.any(|times| token.issued_at.is_none_or(|second| second <= times.second))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.cut_offs.is_empty()
    }

    /// The cut-offs that have not ended.
    #[cfg(feature = "redis")]
    pub(super) fn lasting(&self, now: u64) -> impl Iterator<Item = Kept> {
        let lasting = self.cut_offs.iter().filter(move |(_, of)| of.until > now);
        lasting.map(|(key, times)| Kept {
            key: *key,
            second: times.second,
            until: times.until,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.cut_offs.len()
    }
}

/// In seconds.
const PURGE_INTERVAL: u64 = 60;

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::super::CutOff;
    use super::*;

    fn at(second: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(second)
    }

    fn of_subject(subject: &str, second: u64) -> Kept {
        CutOff::subject("i", subject, at(second)).kept_for(Duration::from_secs(100))
    }

    fn token(claims: &str) -> RevocationKeys {
        RevocationKeys::of_payload(claims)
    }

    #[test]
    fn a_cut_off_revokes_the_tokens_of_its_issuer_and_claim_up_to_its_second() {
        let [subject, session, id] = [CutOff::subject, CutOff::session, CutOff::token_id]
            .map(|of| of("i", "v", at(1000)).kept_for(Duration::from_secs(100)));
        for (cut_off, claim) in [(subject, "sub"), (session, "sid"), (id, "jti")] {
            let mut table = Table::new(1);
            assert_eq!(table.add(&[cut_off], 1000), Ok(true));
            let revokes = |iss: &str, value: &str, rest: &str| {
                table.revokes(&token(&format!(
                    r#"{{"iss":"{iss}","{claim}":"{value}"{rest}}}"#
                )))
            };
            for (iat, expected) in [
                ("", true),
                (r#","iat":999"#, true),
                (r#","iat":1000"#, true),
                (r#","iat":1000.9"#, true),
                (r#","iat":1001"#, false),
            ] {
                assert_eq!(revokes("i", "v", iat), expected, "{claim} {iat}");
            }
            assert!(!revokes("j", "v", ""));
            assert!(!revokes("i", "w", ""));
            for other in ["sub", "sid", "jti"]
                .into_iter()
                .filter(|other| *other != claim)
            {
                let other = token(&format!(r#"{{"iss":"i","{other}":"v"}}"#));
                assert!(!table.revokes(&other), "{claim}");
            }
        }
    }

    #[test]
    fn the_later_of_two_cut_offs_counts_in_either_order() {
        for seconds in [[10, 20], [20, 10]] {
            let mut table = Table::new(1);
            for second in seconds {
                assert!(table.add(&[of_subject("a", second)], 30).is_ok());
            }
            assert_eq!(table.len(), 1);
            assert!(table.revokes(&token(r#"{"iss":"i","sub":"a","iat":20}"#)));
            assert!(!table.revokes(&token(r#"{"iss":"i","sub":"a","iat":21}"#)));
        }
        let mut table = Table::new(1);
        assert_eq!(table.add(&[of_subject("a", 20)], 30), Ok(true));
        assert_eq!(table.add(&[of_subject("a", 20)], 30), Ok(false));
        assert_eq!(table.add(&[of_subject("a", 10)], 30), Ok(false));
    }

    #[test]
    fn a_full_table_drops_none_and_takes_all_or_nothing() {
        let mut table = Table::new(2);
        assert!(table.add(&[of_subject("a", 1000)], 1000).is_ok());
        let two = [of_subject("b", 1000), of_subject("c", 1000)];
        assert_eq!(table.add(&two, 1001), Err(Full));
        assert!(!table.revokes(&token(r#"{"iss":"i","sub":"b"}"#)));
        assert!(table.add(&two[..1], 1001).is_ok());
        assert_eq!(table.add(&two[1..], 1002), Err(Full));
        // A later cut-off for the same subject needs no place.
        assert_eq!(table.add(&[of_subject("a", 1002)], 1002), Ok(true));
        assert!(table.revokes(&token(r#"{"iss":"i","sub":"a","iat":1002}"#)));
    }

    #[test]
    fn cut_offs_are_kept_until_no_token_that_they_revoke_is_valid() {
        let mut table = Table::new(1);
        assert!(table.add(&[of_subject("a", 1000)], 1000).is_ok());
        assert_eq!(table.add(&[of_subject("b", 1050)], 1101), Err(Full));
        assert!(table.revokes(&token(r#"{"iss":"i","sub":"a","iat":1000}"#)));
        assert!(table.add(&[of_subject("b", 1050)], 1102).is_ok());
        assert!(!table.revokes(&token(r#"{"iss":"i","sub":"a","iat":1000}"#)));
    }
}
