//! The report of a denial matrix, as a table.

use std::fmt;

use super::answer::Answer;
use super::{Try, Way};

/// Every try with its outcome; `Display` shows a table.
#[derive(Clone, Debug, Default)]
#[must_use = "a report checks nothing until `assert_denied` is called"]
pub struct DenialReport(Vec<Tried>);

/// One try and its response.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Tried {
    /// Method and path.
    pub route: String,
    /// The kind of the credentials.
    pub way: Way,
    /// The outcome.
    pub outcome: Outcome,
    expected: String,
    answer: String,
}

/// The outcome of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The request was rejected as expected.
    Denied,
    /// The request was granted.
    LetIn,
    /// The response is an error, but not the expected rejection.
    Other,
}

impl DenialReport {
    /// Every try, in the order of the routes.
    #[must_use]
    pub fn tried(&self) -> &[Tried] {
        &self.0
    }

    /// Whether every try was rejected as expected.
    #[must_use]
    pub fn all_denied(&self) -> bool {
        self.0.iter().all(|tried| tried.outcome == Outcome::Denied)
    }

    /// Asserts that every try was rejected as expected.
    ///
    /// # Panics
    /// With the table, if a try was granted or rejected otherwise.
    #[track_caller]
    pub fn assert_denied(&self) {
        assert!(
            self.all_denied(),
            "not every request was rejected as expected\n{self}"
        );
    }

    pub(super) fn add(&mut self, tried: &Try, answer: &Answer) {
        let outcome = if tried.expected.is(answer) {
            Outcome::Denied
        } else if answer.is_granted() {
            Outcome::LetIn
        } else {
            Outcome::Other
        };
        self.0.push(Tried {
            route: format!("{} {}", tried.method, without_query(&tried.path)),
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

/// A route is listed once, wherever the credentials stand.
fn without_query(path: &str) -> &str {
    path.split('?').next().unwrap_or(path)
}
