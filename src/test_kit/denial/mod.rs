//! What a [`DenialMatrix`](super::DenialMatrix) sends, and what becomes of it.

mod answer;
mod demand;
pub(super) mod matrix;
mod path;
mod report;
#[cfg(test)]
mod tests;
mod way;

pub use self::answer::Answer;
pub use self::matrix::Try;
pub use self::report::{DenialReport, Outcome, Tried};
pub use self::way::Way;
