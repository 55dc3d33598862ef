//! Requests by route: the number by method and status, their durations, and rejections by reason.
//!
//! The routes are known at the start, and each has a number, so that a request is counted without comparing or hashing a
//! text. Each worker has counters of its own, since a counter that all workers write costs each of them more.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::http::{Method, StatusCode};

use super::{Count, Distribution, Histogram, RejectionReason, RouteNumber, counted};

/// The labels of methods; the last one stands for all that are not known.
pub(crate) const METHODS: [&str; 10] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "other",
];

/// The labels of status codes.
pub(crate) const STATUS_CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The label of requests that reach no route of a table.
const NO_ROUTE: &str = "none";

/// The requests of all workers.
#[derive(Debug)]
pub(crate) struct Requests {
    /// The first one stands for none.
    routes: Vec<Route>,
    workers: Mutex<Vec<Arc<WorkerRequests>>>,
}

#[derive(Debug)]
struct Route {
    pattern: String,
    takes_tokens: bool,
}

/// The requests of one worker.
#[derive(Debug)]
pub(crate) struct WorkerRequests(Vec<RouteRequests>);

#[derive(Debug, Default)]
struct RouteRequests {
    answered: [[Count; STATUS_CLASSES.len()]; METHODS.len()],
    rejected: [Count; RejectionReason::ALL.len()],
    durations: Histogram,
}

/// The requests of one route.
#[derive(Debug)]
pub(crate) struct RouteTotals<'r> {
    pub(crate) route: &'r str,
    /// Whether its callers can be rejected for their tokens.
    pub(crate) takes_tokens: bool,
    pub(crate) answered: [[u64; STATUS_CLASSES.len()]; METHODS.len()],
    pub(crate) rejected: [u64; RejectionReason::ALL.len()],
    pub(crate) durations: Distribution,
}

impl Requests {
    /// For the routes with these patterns, each with whether it takes tokens; a pattern may come several times.
    pub(crate) fn of(routes: impl IntoIterator<Item = (String, bool)>) -> Self {
        let mut patterns = BTreeMap::new();
        for (pattern, takes_tokens) in routes {
            *patterns.entry(pattern).or_default() |= takes_tokens;
        }
        let none = (NO_ROUTE.to_owned(), false);
        let routes = [none].into_iter().chain(patterns);
        Self {
            routes: routes
                .map(|(pattern, takes_tokens)| Route {
                    pattern,
                    takes_tokens,
                })
                .collect(),
            workers: Mutex::default(),
        }
    }

    /// The number of the route with this pattern.
    pub(crate) fn number_of(&self, pattern: &str) -> RouteNumber {
        let known = self.routes.iter().skip(1);
        let at = known.into_iter().position(|route| route.pattern == pattern);
        at.map_or(RouteNumber::NONE, |at| RouteNumber(at + 1))
    }

    /// The pattern of a route.
    pub(crate) fn pattern(&self, route: RouteNumber) -> Option<&str> {
        let route = self
            .routes
            .get(route.0)
            .filter(|_| route != RouteNumber::NONE);
        route.map(|route| route.pattern.as_str())
    }

    /// Counters for a further worker.
    pub(crate) fn add_worker(&self) -> Arc<WorkerRequests> {
        let counters = self.routes.iter().map(|_| RouteRequests::default());
        let worker = Arc::new(WorkerRequests(counters.collect()));
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        workers.push(Arc::clone(&worker));
        worker
    }

    /// The requests of each route, over all workers.
    pub(crate) fn totals(&self) -> impl Iterator<Item = RouteTotals<'_>> {
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        let workers = workers.clone();
        self.routes.iter().enumerate().map(move |(at, route)| {
            let mut totals = RouteTotals {
                route: &route.pattern,
                takes_tokens: route.takes_tokens,
                answered: Default::default(),
                rejected: Default::default(),
                durations: Distribution::default(),
            };
            for worker in workers.iter().filter_map(|worker| worker.0.get(at)) {
                totals.add(worker);
            }
            totals
        })
    }
}

impl WorkerRequests {
    /// Counts a request that is answered.
    pub(crate) fn count(
        &self,
        route: RouteNumber,
        method: usize,
        status: StatusCode,
        duration: Duration,
    ) {
        let Some(route) = self.0.get(route.0) else {
            return;
        };
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        let by_class = route.answered.get(method);
        if let Some(count) = by_class.and_then(|by_class| by_class.get(class)) {
            count.add(1);
        }
        route.durations.observe(duration);
    }

    /// Counts the rejection of a request.
    pub(crate) fn count_rejected(&self, route: RouteNumber, reason: RejectionReason) {
        let route = self.0.get(route.0);
        let count = route.and_then(|route| counted(RejectionReason::ALL, &route.rejected, &reason));
        if let Some(count) = count {
            count.add(1);
        }
    }
}

impl RouteTotals<'_> {
    fn add(&mut self, worker: &RouteRequests) {
        let answered = self.answered.iter_mut().flatten();
        for (total, count) in answered.zip(worker.answered.iter().flatten()) {
            *total += count.read();
        }
        for (total, count) in self.rejected.iter_mut().zip(&worker.rejected) {
            *total += count.read();
        }
        self.durations.add(&worker.durations.read());
    }
}

/// The place of the method among [`METHODS`].
pub(crate) fn method_index(method: &Method) -> usize {
    match *method {
        Method::GET => 0,
        Method::HEAD => 1,
        Method::POST => 2,
        Method::PUT => 3,
        Method::PATCH => 4,
        Method::DELETE => 5,
        Method::OPTIONS => 6,
        Method::TRACE => 7,
        Method::CONNECT => 8,
        _ => METHODS.len() - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_method_has_the_label_of_its_name() {
        for label in METHODS {
            let method: Method = label.parse().unwrap();
            assert_eq!(METHODS[method_index(&method)], label);
        }
        for unknown in ["BREW", "get"] {
            let method: Method = unknown.parse().unwrap();
            assert_eq!(METHODS[method_index(&method)], "other");
        }
    }

    #[test]
    fn workers_count_for_themselves_and_are_added_up() {
        let routes = ["/b", "/a", "/b"].map(|pattern| (pattern.to_owned(), pattern == "/a"));
        let requests = Requests::of(routes);
        let [one, other] = [requests.add_worker(), requests.add_worker()];
        let (a, none) = (requests.number_of("/a"), requests.number_of("/c"));
        assert_eq!(none, RouteNumber::NONE);
        let second = Duration::from_secs(1);
        one.count(a, 0, StatusCode::OK, second);
        other.count(a, 0, StatusCode::OK, second);
        other.count(a, 9, StatusCode::NOT_FOUND, second);
        other.count_rejected(a, RejectionReason::InvalidToken);
        one.count(none, 2, StatusCode::NOT_FOUND, second);
        let totals: Vec<_> = requests.totals().collect();
        let names: Vec<_> = totals
            .iter()
            .map(|of| (of.route, of.takes_tokens))
            .collect();
        assert_eq!(names, [("none", false), ("/a", true), ("/b", false)]);
        assert_eq!((totals[1].answered[0][1], totals[1].answered[9][3]), (2, 1));
        assert_eq!(
            (totals[0].answered[2][3], totals[2].durations.count()),
            (1, 0)
        );
        assert_eq!(totals[1].durations.sum, second * 3);
        assert_eq!(totals[1].rejected.iter().sum::<u64>(), 1);
        assert_eq!(requests.pattern(a), Some("/a"));
        assert_eq!(requests.pattern(RouteNumber::NONE), None);
    }
}
