//! Which route a request has reached.
//!
//! The router calls the guard of a row, and nothing else of it, before the row's handler. A guard has no access to the
//! connection, and each value that it adds to the request would be allocated, so it leaves the number of the row to
//! its thread: what a future reaches while it is polled is reached by its own request.

use std::cell::Cell;

/// The number of a route among those whose requests are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RouteNumber(pub(crate) usize);

impl RouteNumber {
    /// No route of a table.
    pub(crate) const NONE: Self = Self(0);
}

/// Notes that the request which is worked on has reached a route.
pub(crate) fn reach(route: RouteNumber) {
    REACHED.set(route);
}

/// Works on a request, and returns the route that it has reached meanwhile.
#[cfg(feature = "service")]
pub(crate) fn reached_during<T>(work: impl FnOnce() -> T) -> (T, RouteNumber) {
    let outer = REACHED.replace(RouteNumber::NONE);
    let result = work();
    (result, REACHED.replace(outer))
}

thread_local! {
    static REACHED: Cell<RouteNumber> = const { Cell::new(RouteNumber::NONE) };
}

#[cfg(all(test, feature = "service"))]
mod tests {
    use super::*;

    #[test]
    fn a_request_within_a_request_changes_nothing_for_the_outer_one() {
        let ((), outer) = reached_during(|| {
            reach(RouteNumber(1));
            let ((), inner) = reached_during(|| reach(RouteNumber(2)));
            assert_eq!(inner, RouteNumber(2));
        });
        assert_eq!(outer, RouteNumber(1));
        assert_eq!(reached_during(|| ()).1, RouteNumber::NONE);
    }
}
