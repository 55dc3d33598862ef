//! Callers by ticket: what a route issues to an authenticated caller, and another request redeems.

use std::sync::Arc;

use actix_web::http::header::HeaderValue;
use actix_web::{HttpMessage, HttpRequest};

use super::Caller;
use super::authenticate::{registered_verifier, verify_or_wait};
use crate::rejection::{Cause, Rejection};
use crate::verifier::clock::since_epoch;
use crate::verifier::{Ticket, TicketTarget, Verifier};

/// Issues a ticket to the caller of a request, for `path` and the origin of a page.
///
/// # Errors
/// 401 without a caller, and [`Cause::TooManyTickets`].
pub(crate) fn issue_ticket(
    request: &HttpRequest,
    path: &str,
    origin: Option<&HeaderValue>,
) -> Result<String, Rejection> {
    let verifier = registered_verifier(request).ok_or(Cause::NoVerifier)?;
    let caller = request.extensions().get::<Caller>().cloned();
    let caller = caller.ok_or_else(Rejection::no_credentials)?;
    let target = target(path, origin);
    let now = since_epoch(verifier.now());
    let issued = verifier.tickets().issue(caller.into_ticket(), target, now);
    issued.map_err(|_| Cause::TooManyTickets.into())
}

/// Makes the caller to whom a ticket was issued the caller of this request, if the token is still valid.
///
/// # Errors
/// 401 for a ticket that is not for this request, and every rejection of the token.
pub(crate) async fn redeem_ticket(
    request: &HttpRequest,
    text: &str,
    origin: Option<&HeaderValue>,
) -> Result<(), Rejection> {
    let verifier = registered_verifier(request).ok_or(Cause::NoVerifier)?;
    let target = target(request.path(), origin);
    let now = since_epoch(verifier.now());
    let ticket = verifier.tickets().redeem(text, target, now);
    let ticket = ticket.ok_or(Cause::InvalidToken(UNUSABLE_TICKET))?;
    let verified = verify_or_wait(verifier, &ticket.credentials).await;
    let verified = verified.map_err(|error| error.into_rejection(verifier))?;
    let Ticket {
        credentials,
        sender,
        ..
    } = ticket;
    let caller = Caller::new(verified, credentials, sender, verifier.now());
    let mut extensions = request.extensions_mut();
    extensions.insert(Redeemed(caller.clone()));
    extensions.insert(caller);
    Ok(())
}

/// The caller whose ticket this request has redeemed; in its extensions.
struct Redeemed(Caller);

/// The caller by ticket of a request without credentials.
pub(super) fn caller_by_ticket(request: &HttpRequest, verifier: &Verifier) -> Option<Caller> {
    let extensions = request.extensions();
    let Redeemed(caller) = extensions.get()?;
    caller.is_from(verifier.id()).then(|| caller.clone())
}

/// The path of a route and that of its tickets differ by a slash at the end of the first, too.
fn target(path: &str, origin: Option<&HeaderValue>) -> TicketTarget {
    let path = path.trim_end_matches('/');
    TicketTarget::new(path, origin.map(HeaderValue::as_bytes))
}

impl Caller {
    fn into_ticket(self) -> Ticket {
        Ticket {
            verified: Arc::clone(self.verified()),
            credentials: self.credentials().clone(),
            sender: self.sender(),
        }
    }
}

pub(crate) const UNUSABLE_TICKET: &str =
    "The ticket is unknown, used, expired, or for another route or origin.";
