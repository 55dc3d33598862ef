//! A cache of rendered rejections, so that a flood of invalid requests costs little.
//!
//! The texts of rejections are constants, so there are few different responses; each worker keeps those that it has
//! rendered.

use std::cell::RefCell;

use actix_web::http::header::HeaderValue;
use actix_web::web::Bytes;

use super::{Problem, Rejection};

/// What is the same in all responses to such a rejection.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) challenges: Option<HeaderValue>,
    pub(super) body: Bytes,
}

impl Answer {
    fn new(rejection: &Rejection) -> Self {
        Self {
            challenges: rejection.challenges(),
            body: Problem::of(&rejection.cause).to_json(),
        }
    }
}

/// The response to a rejection; the last one is found first.
pub(super) fn answer(rejection: &Rejection) -> Answer {
    CACHE.with_borrow_mut(|cache| {
        let is_same = |known: &Rejection| {
            known.context == rejection.context && known.cause.reads_as(&rejection.cause)
        };
        if let Some(at) = cache.iter().position(|(known, _)| is_same(known)) {
            cache.swap(0, at);
            if let Some((_, answer)) = cache.first() {
                return answer.clone();
            }
        }
        let answer = Answer::new(rejection);
        if cache.len() >= CAPACITY {
            cache.pop();
        }
        cache.push((rejection.without_nonce(), answer.clone()));
        answer
    })
}

thread_local! {
    static CACHE: RefCell<Vec<(Rejection, Answer)>> = const { RefCell::new(Vec::new()) };
}

/// More than this crate has texts under either scheme; an application may add its own.
const CAPACITY: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rejection::Cause;

    #[test]
    fn an_answer_that_was_given_before_is_the_same_one() {
        let texts = ["first", "second", "first", "second", "second"];
        let rejections = texts.map(|text| Rejection::from(Cause::InvalidToken(text)));
        let answers: Vec<_> = rejections.iter().map(answer).collect();
        let body = |at: usize| answers[at].body.as_ptr();
        assert_eq!([body(2), body(3), body(4)], [body(0), body(1), body(1)]);
        for (given, rejection) in answers.iter().zip(&rejections) {
            let fresh = Answer::new(rejection);
            assert_eq!(given.challenges, fresh.challenges);
            assert_eq!(given.body, fresh.body);
        }
    }

    #[test]
    fn one_answer_serves_whenever_it_is_worth_trying_again() {
        for seconds in 0..200 {
            let retry_after = std::time::Duration::from_secs(seconds);
            drop(answer(&Cause::KeysUnavailable { retry_after }.into()));
            drop(answer(&Cause::KeyUndetermined { retry_after }.into()));
        }
        assert_eq!(CACHE.with_borrow(Vec::len), 2);
    }

    #[test]
    fn only_so_many_are_kept() {
        for length in 0..200 {
            let alternatives = vec![vec!["scope"; length]];
            let rejection = Rejection::from(Cause::InsufficientScope { alternatives });
            let (given, fresh) = (answer(&rejection), Answer::new(&rejection));
            assert_eq!(given.body, fresh.body);
        }
        assert_eq!(CACHE.with_borrow(Vec::len), CAPACITY);
    }
}
