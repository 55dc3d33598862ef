//! Completes the challenges of a rejection with what clients need to know of the route: its scopes ([RFC 6750 §3]), and
//! where the metadata of its protected resource is ([RFC 9728 §5.1]).
//!
//! [RFC 6750 §3]: https://www.rfc-editor.org/rfc/rfc6750#section-3
//! [RFC 9728 §5.1]: https://www.rfc-editor.org/rfc/rfc9728#section-5.1

use actix_web::HttpRequest;
use actix_web::http::header::HeaderValue;

use super::Access;
use super::authenticate::registered_verifier;
use super::sender_constraint::is_secure;
use crate::rejection::{MetadataPath, Rejection};
use crate::sender::{PublicUrl, RequestUri};
use crate::verifier::Verifier;

/// The rejection of a request for a route that requires `A`, with the verifier that is asked, or the registered one.
pub(crate) fn rejected_by<A: Access>(
    rejection: Rejection,
    request: &HttpRequest,
    verifier: Option<&Verifier>,
) -> Rejection {
    let scopes = || A::requirement().first_scopes();
    rejected_for(scopes, rejection, request, verifier)
}

/// As [`rejected_by`], for a route that requires `scopes`.
pub(super) fn rejected_for(
    scopes: impl FnOnce() -> Vec<&'static str>,
    rejection: Rejection,
    request: &HttpRequest,
    verifier: Option<&Verifier>,
) -> Rejection {
    let verifier = || verifier.or_else(|| registered_verifier(request));
    rejection.for_route(scopes, || metadata_url(request, verifier()?))
}

/// As [`rejected_by`], counted, for a request whose credentials are not verified.
pub(crate) fn rejected_early<A: Access>(rejection: Rejection, request: &HttpRequest) -> Rejection {
    let Some(verifier) = registered_verifier(request) else {
        return rejection;
    };
    if let Some(reason) = rejection.reason() {
        verifier.counters().count_rejected(reason);
    }
    let rejection = rejection.offering(verifier.senders().schemes());
    rejected_by::<A>(rejection, request, Some(verifier))
}

/// What the server's URLs begin with for the client of this request, if that may be repeated.
pub(crate) fn public_url(request: &HttpRequest, verifier: &Verifier) -> Option<PublicUrl> {
    verifier
        .senders()
        .target_uri
        .public_url_for(request_uri(request))
}

/// Whether an origin, as a browser sends it, is the server's own.
pub(crate) fn is_own_origin(request: &HttpRequest, origin: &HeaderValue) -> bool {
    let (verifier, origin) = (registered_verifier(request), origin.to_str().ok());
    verifier.zip(origin).is_some_and(|(verifier, origin)| {
        let source = &verifier.senders().target_uri;
        source.is_own_origin(request_uri(request), origin)
    })
}

fn request_uri(request: &HttpRequest) -> RequestUri<'_> {
    RequestUri {
        headers: request.headers(),
        uri: request.uri(),
        peer: request.peer_addr().map(|peer| peer.ip()),
        is_secure: is_secure(request),
    }
}

fn metadata_url(request: &HttpRequest, verifier: &Verifier) -> Option<String> {
    let path: &MetadataPath = request.app_data()?;
    Some(path.url(&public_url(request, verifier)?))
}
