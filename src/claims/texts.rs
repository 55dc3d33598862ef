//! Many short texts in one allocation.

use super::footprint::allocated;

/// Texts, one after the other, each after its length in four bytes.
///
/// A token may grant a thousand scopes, and a cached token keeps them: a `Vec<String>` would take more than fifty bytes for
/// each, beside its letters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Texts(Box<[u8]>);

impl Texts {
    /// Leaves out texts of 4 GiB and more.
    pub(crate) fn of<'t>(texts: impl Iterator<Item = &'t str> + Clone) -> Self {
        let bytes = texts.clone().map(|text| LENGTH.saturating_add(text.len()));
        let mut joined = Vec::with_capacity(bytes.fold(0, usize::saturating_add));
        for text in texts {
            if let Ok(length) = u32::try_from(text.len()) {
                joined.extend(length.to_ne_bytes());
                joined.extend(text.as_bytes());
            }
        }
        Self(joined.into_boxed_slice())
    }

    pub(crate) fn contains(&self, text: &str) -> bool {
        self.bytes().any(|one| one == text.as_bytes())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.bytes()
            .map_while(|text| std::str::from_utf8(text).ok())
    }

    fn bytes(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &*self.0;
        std::iter::from_fn(move || {
            let (length, after) = rest.split_first_chunk()?;
            let length = usize::try_from(u32::from_ne_bytes(*length)).ok()?;
            let (text, others) = after.split_at_checked(length)?;
            rest = others;
            Some(text)
        })
    }

    /// The bytes allocated for the texts.
    pub(crate) fn allocated(&self) -> usize {
        allocated(self.0.len())
    }
}

const LENGTH: usize = size_of::<u32>();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_out_as_they_went_in() {
        for texts in [
            [].as_slice(),
            &[""],
            &["a"],
            &["", "a b", "", "\u{e4}\u{1f600}", "c", ""],
        ] {
            let kept = Texts::of(texts.iter().copied());
            assert!(kept.iter().eq(texts.iter().copied()), "{texts:?}");
            assert!(texts.iter().all(|text| kept.contains(text)), "{texts:?}");
            assert!(!kept.contains("b"), "{texts:?}");
        }
    }
}
