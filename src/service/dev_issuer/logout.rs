//! Signs a browser out and leads it back: Auth0's `/v2/logout`, and OpenID Connect's way (OIDC
//! RP-Initiated Logout §2).

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, web};
use url::form_urlencoded::byte_serialize;

use super::error::Refusal;
use super::origin::LoopbackUrl;
use super::pages::{Shown, notice};
use super::parameters::Parameters;
use super::{Provider, cookies};

pub(super) const AUTH0: &str = "/v2/logout";
pub(super) const OPENID: &str = "/oidc/logout";

pub(super) async fn sign_out(
    request: HttpRequest,
    provider: web::Data<Provider>,
) -> Result<HttpResponse, Shown> {
    let parameters = Parameters::of_query(request.query_string(), &PARAMETERS)?;
    let target = parameters
        .find("returnTo")
        .or_else(|| parameters.find("post_logout_redirect_uri"));
    let target = match target.map(LoopbackUrl::parse) {
        Some(Some(url)) => Some(url),
        Some(None) => return Err(Refusal::ReturnTo.into()),
        None => None,
    };
    let state = parameters.find("state").unwrap_or_default();
    let response = target.map_or_else(signed_out, |target| lead_back(&target, state));
    Ok(cookies::set(response, &provider.end(&request)))
}

fn lead_back(target: &LoopbackUrl, state: &str) -> HttpResponse {
    let state: String = byte_serialize(state.as_bytes()).collect();
    let query = match state.as_str() {
        "" => String::new(),
        state => format!("state={state}"),
    };
    HttpResponse::Found()
        .insert_header((LOCATION, target.with_query(&query).as_str()))
        .finish()
}

fn signed_out() -> HttpResponse {
    notice(StatusCode::OK, "Signed out", "You can close this page.")
}

const PARAMETERS: [&str; 3] = ["post_logout_redirect_uri", "returnTo", "state"];
