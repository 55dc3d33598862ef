//! A limit of requests for each user, behind the access check: a middleware that reads the verified caller.
//!
//! A limit by client address belongs before the access check, into a proxy or `App::wrap`.

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_resource_server::{Api, Caller, Scoped, Service, get, scope};
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::RETRY_AFTER;
use actix_web::middleware::{Next, from_fn};
use actix_web::{Error, HttpMessage, HttpResponse};
use quick_cache::sync::Cache;

scope!(pub Search = "search");

const LIMIT: u32 = 5;

const WINDOW: Duration = Duration::from_secs(60);

/// How many users are remembered; each worker has its own memory of them.
const USERS: usize = 10_000;

/// The requests of one user since the start of a window.
struct Window {
    begin: Instant,
    requests: u32,
}

struct Limiter(Cache<String, Arc<Mutex<Window>>>);

impl Limiter {
    fn new() -> Self {
        Self(Cache::new(USERS))
    }

    /// Counts a request.
    ///
    /// # Errors
    /// The time until the next window, when the limit is reached.
    fn count(&self, user: &str, now: Instant) -> Result<(), Duration> {
        let fresh = || {
            let begin = now;
            Ok::<_, ()>(Arc::new(Mutex::new(Window { begin, requests: 0 })))
        };
        let Ok(window) = self.0.get_or_insert_with(user, fresh) else {
            return Ok(());
        };
        let mut window = window.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed = now.saturating_duration_since(window.begin);
        if elapsed >= WINDOW {
            *window = Window {
                begin: now,
                requests: 0,
            };
        }
        if window.requests == LIMIT {
            return Err(WINDOW.saturating_sub(elapsed));
        }
        window.requests += 1;
        Ok(())
    }
}

async fn limit<B: MessageBody + 'static>(
    limiter: Arc<Limiter>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse, Error> {
    // Each issuer has subjects of its own. A caller without one shares the limit of its client.
    let caller = request.extensions().get::<Caller>().cloned();
    let user = caller.map(|caller| {
        let subject = caller.subject().or_else(|| caller.client_id());
        format!("{} {}", caller.issuer(), subject.unwrap_or_default())
    });
    match limiter.count(&user.unwrap_or_default(), Instant::now()) {
        Ok(()) => Ok(next.call(request).await?.map_into_boxed_body()),
        Err(wait) => {
            let seconds = wait.as_secs().saturating_add(1);
            let mut response = HttpResponse::TooManyRequests();
            response.insert_header((RETRY_AFTER, seconds));
            Ok(request.into_response(response.finish()))
        }
    }
}

async fn search(_: Scoped<Search>) -> &'static str {
    "what was found"
}

fn api() -> Api {
    let limiter = Arc::new(Limiter::new());
    let limit = from_fn(move |request, next| limit(Arc::clone(&limiter), request, next));
    Api::new("/api").route("/search", get(search).wrap(limit))
}

fn main() -> ExitCode {
    Service::new(api).run()
}

#[cfg(test)]
mod tests {
    use actix_resource_server::test_kit::TestIssuer;
    use actix_resource_server::{Algorithm, Issuer, Verifier};
    use actix_web::App;
    use actix_web::http::header::AUTHORIZATION;
    use actix_web::test::{TestRequest, call_service, init_service};

    use super::*;

    #[actix_web::test]
    async fn each_user_has_a_limit_and_rejected_callers_count_nothing() {
        let issuer = TestIssuer::start_with(Algorithm::Es256);
        let trusted = Issuer::discover(issuer.url()).audience(issuer.audience());
        let verifier = Verifier::start([trusted.build().unwrap()]).unwrap();
        let app = init_service(App::new().service(api().verified_by(verifier))).await;
        let call = async |subject: &str, scope: &str| {
            let token = issuer.token().claim("sub", subject).scope(scope).build();
            let request = TestRequest::get()
                .uri("/api/search")
                .insert_header((AUTHORIZATION, format!("Bearer {token}")));
            call_service(&app, request.to_request())
                .await
                .status()
                .as_u16()
        };
        for _ in 0..3 {
            assert_eq!(call("ann", "read").await, 403);
        }
        for _ in 0..LIMIT {
            assert_eq!(call("ann", "search").await, 200);
        }
        assert_eq!(call("ann", "search").await, 429);
        assert_eq!(call("ben", "search").await, 200);
    }

    #[test]
    fn a_new_window_begins_after_the_old_one() {
        let (limiter, now) = (Limiter::new(), Instant::now());
        for _ in 0..LIMIT {
            assert_eq!(limiter.count("ann", now), Ok(()));
        }
        let later = now + Duration::from_secs(59);
        assert_eq!(limiter.count("ann", later), Err(Duration::from_secs(1)));
        assert_eq!(limiter.count("ann", now + WINDOW), Ok(()));
    }
}
