//! The keys of a set that cannot be used, and why.

use std::fmt;

use crate::jose::JwkError;

/// Why keys are skipped, each reason once with the number of its keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Skipped {
    reasons: Vec<(JwkError, usize)>,
    keys: usize,
}

impl Skipped {
    /// The number of keys.
    pub(crate) fn len(&self) -> usize {
        self.keys
    }

    /// The reasons in the order of the set; of a set with many different ones, the first.
    #[cfg(any(feature = "service", test))]
    pub(crate) fn reasons(&self) -> impl Iterator<Item = &(JwkError, usize)> {
        self.reasons.iter()
    }

    fn push(&mut self, reason: JwkError) {
        self.keys = self.keys.saturating_add(1);
        let is_known = |(known, _): &&mut (JwkError, usize)| *known == reason;
        if let Some((_, count)) = self.reasons.iter_mut().find(is_known) {
            *count = count.saturating_add(1);
        } else if self.reasons.len() < MOST_REASONS {
            self.reasons.push((reason, 1));
        }
    }
}

impl Extend<JwkError> for Skipped {
    fn extend<T: IntoIterator<Item = JwkError>>(&mut self, reasons: T) {
        reasons.into_iter().for_each(|reason| self.push(reason));
    }
}

/// Such as `3 unusable: the key is for another use (2); the key is malformed (1)`.
impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} unusable", self.keys)?;
        for (index, (reason, count)) in self.reasons.iter().enumerate() {
            let separator = if index == 0 { ": " } else { "; " };
            write!(f, "{separator}{reason} ({count})")?;
        }
        Ok(())
    }
}

/// More than the rules have reasons; only the sizes of RSA keys are many.
const MOST_REASONS: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_shown_once_with_its_keys() {
        let mut skipped = Skipped::default();
        skipped.extend([JwkError::OtherUse, JwkError::Malformed, JwkError::OtherUse]);
        assert_eq!(
            skipped.to_string(),
            "3 unusable: the key is for another use (2); the key is malformed (1)"
        );
        skipped.extend((0..1000).map(|bits| JwkError::RsaSize { bits }));
        assert_eq!((skipped.len(), skipped.reasons().count()), (1003, 12));
    }
}
