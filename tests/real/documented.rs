//! The configuration blocks of `docs/proxies.md`, adapted to the test.

/// A block of the page.
pub(crate) struct Documented(String);

impl Documented {
    /// The first block of `language` after the heading.
    pub(crate) fn block(heading: &str, language: &str) -> Self {
        let (_, after) = PAGE.split_once(&format!("\n# {heading}\n\n")).unwrap();
        let (_, block) = after.split_once(&format!("```{language}\n")).unwrap();
        Self(block.split_once("```").unwrap().0.to_owned())
    }

    /// Replaces `there` in the page by `here`.
    pub(crate) fn with(self, there: &str, here: &str) -> Self {
        assert!(self.0.contains(there), "nowhere {there}: {}", self.0);
        Self(self.0.replace(there, here))
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

const PAGE: &str = include_str!("../../docs/proxies.md");
