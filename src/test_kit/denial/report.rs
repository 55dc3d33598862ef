//! What became of each try, as a table.

use std::fmt;

use super::answer::Answer;
use super::{Try, Way};

/// Every try and what became of it; its `Display` is a table.
#[derive(Clone, Debug, Default)]
#[must_use = "holes are found by `assert_denied`"]
pub struct DenialReport(Vec<Tried>);

/// One try, and the answer to it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Tried {
    /// Method and path.
    pub route: String,
    /// In which way it was wrong.
    pub way: Way,
    /// What became of it.
    pub outcome: Outcome,
    expected: String,
    answer: String,
}

/// What became of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It was refused as it should be.
    Denied,
    /// The caller was let in.
    LetIn,
    /// The answer is an error, but not the refusal: another fault, or a handler's own words.
    Other,
}

impl DenialReport {
    /// Every try, in the order of the table.
    #[must_use]
    pub fn tried(&self) -> &[Tried] {
        &self.0
    }

    /// Whether each try was refused as it should be.
    #[must_use]
    pub fn all_denied(&self) -> bool {
        self.0.iter().all(|tried| tried.outcome == Outcome::Denied)
    }

    /// Panics with the table when a caller was let in, or refused otherwise than should be.
    #[track_caller]
    pub fn assert_denied(&self) {
        assert!(
            self.all_denied(),
            "not every caller was turned away as expected\n{self}"
        );
    }

    pub(super) fn add(&mut self, tried: &Try, answer: &Answer) {
        let outcome = if tried.expected.is(answer) {
            Outcome::Denied
        } else if answer.lets_in() {
            Outcome::LetIn
        } else {
            Outcome::Other
        };
        self.0.push(Tried {
            route: format!("{} {}", tried.method, tried.path),
            way: tried.way,
            outcome,
            expected: tried.expected.to_string(),
            answer: answer.to_string(),
        });
    }
}

impl fmt::Display for DenialReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut route = "";
        for tried in &self.0 {
            if tried.route != route {
                route = &tried.route;
                writeln!(f, "{route}")?;
            }
            writeln!(f, "  {tried}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            way,
            expected,
            answer,
            ..
        } = self;
        match self.outcome {
            Outcome::Denied => write!(f, "denied  {way:<26}{answer}"),
            Outcome::LetIn => write!(f, "LET IN  {way:<26}{answer}, not {expected}"),
            Outcome::Other => write!(f, "OTHER   {way:<26}{answer}, not {expected}"),
        }
    }
}
