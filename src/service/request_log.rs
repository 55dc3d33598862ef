//! One log line for each request: method, route, status and time, and nothing that the client chose.

use std::time::Instant;

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::Next;

/// Whether the lines would be written at all.
pub(crate) fn is_on() -> bool {
    log::log_enabled!(target: TARGET, log::Level::Info)
}

/// Writes the line of one request once it is answered.
pub(crate) async fn log_request<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let start = Instant::now();
    let method = known_method(request.method());
    let response = next.call(request).await?;
    // The pattern, never the path: whatever a caller writes there stays out of the log.
    let route = response.request().match_pattern();
    let route = route.as_deref().unwrap_or("(no route)");
    let status = response.status().as_u16();
    let milliseconds = start.elapsed().as_secs_f64() * 1000.0;
    log::info!(
        target: TARGET,
        method = method, route = route, status = status, milliseconds = milliseconds;
        "{method} {route} {status} in {milliseconds:.3} ms"
    );
    Ok(response)
}

fn known_method(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] = [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT",
    ];
    KNOWN
        .into_iter()
        .find(|known| *known == method.as_str())
        .unwrap_or("(other method)")
}

const TARGET: &str = "request";
