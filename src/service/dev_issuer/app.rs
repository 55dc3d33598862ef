//! The issuer's paths, and what holds for all of them.

use actix_cors::Cors;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    CACHE_CONTROL, REFERRER_POLICY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::middleware::{DefaultHeaders, Next, from_fn};
use actix_web::{App, Error, FromRequest, Handler, Resource, Responder, ResponseError, web};

use crate::proof::nonce::DPOP_NONCE;

use super::error::Refusal;
use super::{Provider, authorize, logout, metadata, origin, revoke, test_view, token, userinfo};

pub(super) fn app(
    provider: web::Data<Provider>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = Error,
        InitError = (),
    >,
> {
    App::new()
        .app_data(provider)
        .app_data(web::PayloadConfig::new(LARGEST_BODY))
        .configure(routes)
        .default_service(web::to(async || Refusal::NotFound))
        .wrap(
            DefaultHeaders::new()
                .add((CACHE_CONTROL, "no-store"))
                .add((REFERRER_POLICY, "no-referrer"))
                .add((X_CONTENT_TYPE_OPTIONS, "nosniff")),
        )
        .wrap(cors())
        .wrap(from_fn(for_this_machine))
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .service(readable("/", test_view::show))
        .service(readable(test_view::DATA, test_view::show_data))
        .service(readable(test_view::SCRIPT, test_view::show_script))
        .service(readable(
            test_view::PROOF_SCRIPT,
            test_view::show_proof_script,
        ))
        .service(readable(test_view::STYLE, test_view::show_style))
        .service(readable(
            test_view::MESSAGE_SCRIPT,
            test_view::show_message_script,
        ))
        .service(readable(metadata::OPENID, metadata::show))
        .service(readable(metadata::AUTHORIZATION_SERVER, metadata::show))
        .service(readable(metadata::JWKS, metadata::show_keys))
        .service(readable(authorize::PATH, authorize::ask))
        .service(postable(authorize::SIGN_IN, authorize::sign_in))
        .service(readable(logout::AUTH0, logout::sign_out))
        .service(readable(logout::OPENID, logout::sign_out))
        .service(postable(token::PATH, token::issue))
        .service(postable(revoke::PATH, revoke::revoke))
        .service(
            web::resource(userinfo::PATH)
                .route(web::get().to(userinfo::show))
                .route(web::head().to(userinfo::show))
                .route(web::post().to(userinfo::show))
                .default_service(web::to(async || {
                    Refusal::MethodNotAllowed("GET, HEAD, POST")
                })),
        );
}

/// A path that is read; anything else is a 405.
fn readable<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    web::resource(path)
        .route(web::get().to(handler.clone()))
        .route(web::head().to(handler))
        .default_service(web::to(async || Refusal::MethodNotAllowed("GET, HEAD")))
}

/// A path that is posted to; anything else is a 405.
fn postable<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    web::resource(path)
        .route(web::post().to(handler))
        .default_service(web::to(async || Refusal::MethodNotAllowed("POST")))
}

fn cors() -> Cors {
    Cors::default()
        .allowed_origin_fn(|origin, _| origin::is_loopback(origin))
        .allowed_methods(["GET", "HEAD", "POST"])
        .allow_any_header()
        .expose_headers([DPOP_NONCE, WWW_AUTHENTICATE])
        .max_age(3600)
}

/// Answers nobody whose browser was told that this machine is somebody else's.
async fn for_this_machine<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    if origin::is_asked_for(request.request()) {
        let response = next.call(request).await?;
        return Ok(response.map_into_left_body());
    }
    let refused = request.into_response(Refusal::OtherHost.error_response());
    Ok(refused.map_into_right_body())
}

/// Far more than any request to an issuer needs, in bytes.
const LARGEST_BODY: usize = 64 * 1024;
