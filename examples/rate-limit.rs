//! A limit of requests for each caller: middleware behind the access check, so that only verified callers are counted.
//!
//! A limit by address, against clients without a token, belongs to the proxy in front of the service.

use std::collections::HashMap;
use std::convert::Infallible;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use actix_resource_server::{Api, AuthenticatedUser, Caller, Service, get};
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::RETRY_AFTER;
use actix_web::middleware::{Next, from_fn};
use actix_web::{Error, HttpMessage, HttpResponse, web};

/// The requests of a caller within one [`WINDOW`].
const LIMIT: u32 = 100;

const WINDOW: Duration = Duration::from_secs(60);

/// The requests of this window, in one process; replicas would share the counts in a store such as Redis.
struct Limiter(Mutex<Window>);

struct Window {
    start: SystemTime,
    counts: HashMap<String, u32>,
}

impl Limiter {
    fn new() -> Self {
        Self(Mutex::new(Window {
            start: SystemTime::UNIX_EPOCH,
            counts: HashMap::new(),
        }))
    }

    /// Counts a request; an error is the time until the caller may send the next one.
    fn count(&self, caller: &Caller) -> Result<(), Duration> {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let age = caller.now().duration_since(window.start);
        let mut left = WINDOW.saturating_sub(age.unwrap_or_default());
        if left.is_zero() {
            window.start = caller.now();
            window.counts.clear();
            left = WINDOW;
        }
        // Subjects are unique within their issuer; a token without one counts for its client.
        let name = caller.subject().or(caller.client_id()).unwrap_or_default();
        let key = format!("{} {name}", caller.issuer());
        let count = window.counts.entry(key).or_default();
        if *count == LIMIT {
            return Err(left);
        }
        *count += 1;
        Ok(())
    }
}

async fn limit(
    limiter: web::Data<Limiter>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse, Error> {
    let caller = request.extensions().get::<Caller>().cloned();
    match caller.map_or(Ok(()), |caller| limiter.count(&caller)) {
        Ok(()) => Ok(next.call(request).await?.map_into_boxed_body()),
        Err(left) => {
            let seconds = left.as_secs().saturating_add(1);
            let response = HttpResponse::TooManyRequests()
                .insert_header((RETRY_AFTER, seconds))
                .finish();
            Ok(request.into_response(response))
        }
    }
}

async fn quote(user: AuthenticatedUser) -> String {
    format!("a quote for {}", user.subject().unwrap_or("a client"))
}

fn api() -> Api {
    Api::new("/api")
        .route("/quote", get(quote).summary("100 requests a minute"))
        .wrap(from_fn(limit))
}

fn main() -> ExitCode {
    Service::new(api)
        .state(async |_| Ok::<_, Infallible>(Limiter::new()))
        .run()
}

#[cfg(test)]
mod tests {
    use actix_resource_server::test_kit::{TestClock, TestIssuer};
    use actix_resource_server::{Algorithm, Clock, Issuer, Verifier};
    use actix_web::App;
    use actix_web::http::header::AUTHORIZATION;
    use actix_web::test::{TestRequest, call_service, init_service};

    use super::*;

    #[actix_web::test]
    async fn each_caller_has_a_limit_of_its_own() {
        let issuer = TestIssuer::start_with(Algorithm::Es256);
        let trusted = Issuer::discover(issuer.url()).audience(issuer.audience());
        let clock = TestClock::at(SystemTime::now());
        let now = clock.clone();
        let verifier = Verifier::builder().clock(Clock::new(move || now.now()));
        let verifier = verifier.start([trusted.build().unwrap()]).unwrap();
        let limiter = web::Data::new(Limiter::new());
        let api = api().verified_by(verifier);
        let app = init_service(App::new().app_data(limiter).service(api)).await;
        let send = async |token: &str| {
            let request = TestRequest::get()
                .uri("/api/quote")
                .insert_header((AUTHORIZATION, format!("Bearer {token}")));
            call_service(&app, request.to_request()).await
        };
        let [ann, ben] = ["ann", "ben"].map(|name| issuer.token().claim("sub", name).build());
        for _ in 0..LIMIT {
            assert_eq!(send(&ann).await.status(), 200);
            // Requests without a valid token are not counted.
            assert_eq!(send("x").await.status(), 401);
        }
        let limited = send(&ann).await;
        assert_eq!(limited.status(), 429);
        assert_eq!(limited.headers().get(RETRY_AFTER).unwrap(), "61");
        assert_eq!(send(&ben).await.status(), 200);
        clock.advance(WINDOW);
        assert_eq!(send(&ann).await.status(), 200);
    }
}
