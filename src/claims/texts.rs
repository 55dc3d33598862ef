//! Many short texts in two allocations, however many they are.

use serde_json::Value;

use super::footprint::allocated;

/// Texts, one after the other.
///
/// A token may list a thousand of them, and a cached token keeps them: a `Vec<String>` would take
/// more than fifty bytes for each, beside its letters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Texts {
    joined: Box<str>,
    /// Where each text ends in `joined`.
    ends: Box<[u32]>,
}

impl Texts {
    /// The texts of a JSON array; `None` where a member is not a string, or they are 4 GiB long or longer.
    pub(crate) fn of_array(array: &[Value]) -> Option<Self> {
        let texts: Option<Vec<_>> = array.iter().map(Value::as_str).collect();
        Self::of(&texts?)
    }

    /// `None` where it is 4 GiB long or longer.
    pub(crate) fn of_one(text: String) -> Option<Self> {
        let end = u32::try_from(text.len()).ok()?;
        Some(Self {
            joined: text.into_boxed_str(),
            ends: Box::new([end]),
        })
    }

    pub(crate) fn of(texts: &[&str]) -> Option<Self> {
        let mut ends = Vec::with_capacity(texts.len());
        let mut end = 0_u32;
        for text in texts {
            end = end.checked_add(u32::try_from(text.len()).ok()?)?;
            ends.push(end);
        }
        Some(Self {
            joined: texts.concat().into_boxed_str(),
            ends: ends.into_boxed_slice(),
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.ends.iter().scan(0_usize, |start, &end| {
            let end = usize::try_from(end).unwrap_or(usize::MAX);
            let text = self.joined.get(*start..end)?;
            *start = end;
            Some(text)
        })
    }

    /// The bytes allocated for the texts.
    pub(crate) fn allocated(&self) -> usize {
        allocated(self.joined.len()).saturating_add(allocated(size_of_val(&*self.ends)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn texts(array: &Value) -> Option<Vec<String>> {
        let texts = Texts::of_array(array.as_array()?)?;
        assert_eq!(texts.len(), texts.iter().count());
        Some(texts.iter().map(str::to_owned).collect())
    }

    #[test]
    fn texts_come_out_as_they_went_in() {
        for array in [
            json!([]),
            json!([""]),
            json!(["a"]),
            json!(["", "a b", "", "\u{e4}\u{1f600}", "c", ""]),
        ] {
            let kept = texts(&array).map(Value::from);
            assert_eq!(kept, Some(array));
        }
    }

    #[test]
    fn one_text_is_a_list_of_one() {
        for text in ["", "a b"] {
            let kept = Texts::of_one(text.to_owned()).expect("not so long");
            assert_eq!(
                (kept.len(), kept.iter().collect::<Vec<_>>()),
                (1, vec![text])
            );
            assert_eq!(Texts::of_array(&[json!(text)]), Some(kept));
        }
    }

    #[test]
    fn an_array_with_another_member_has_no_texts() {
        for array in [json!([1]), json!(["a", null]), json!([["a"]])] {
            assert_eq!(texts(&array), None, "{array}");
        }
    }
}
