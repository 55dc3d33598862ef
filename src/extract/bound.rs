//! `Bound`: a caller that proves possession of the token's key or certificate.

use actix_web::dev::Payload;

use super::wrapper::impl_wrapper;
use super::{Access, AuthenticatedUser, Caller, Identified, Requirement};
use crate::rejection::{Cause, Rejection};

/// A caller that proves possession of the key or certificate to which its token is bound, by a DPoP proof
/// ([RFC 9449 §7]) or a client certificate ([RFC 8705 §3]). A stolen token alone is useless here.
///
/// Rejects whatever `A` rejects, and bearer tokens with 401 `invalid_token`. It dereferences to `A`.
///
/// # Examples
/// ```
/// use actix_resource_server::{Bound, Scoped, scope};
///
/// scope!(WritePayments = "write:payments");
///
/// async fn pay(caller: Bound<Scoped<WritePayments>>) -> String {
///     format!("Paid by {}.", caller.subject().unwrap_or("unknown"))
/// }
/// ```
///
/// [RFC 9449 §7]: https://www.rfc-editor.org/rfc/rfc9449#section-7
/// [RFC 8705 §3]: https://www.rfc-editor.org/rfc/rfc8705#section-3
pub struct Bound<A: Identified = AuthenticatedUser> {
    access: A,
}

impl<A: Identified> Access for Bound<A> {
    fn requirement() -> Requirement {
        A::requirement().and_proven_sender()
    }

    fn grant(caller: Option<Caller>) -> Result<Self, Rejection> {
        let access = A::grant(caller)?;
        if !access.caller().is_sender_proven() {
            return Err(Cause::InvalidToken(UNBOUND).into());
        }
        Ok(Self { access })
    }

    fn limit_body(&self, body: Payload) -> Payload {
        self.access.limit_body(body)
    }
}

impl_wrapper!(Bound<A: Identified>);

pub(crate) const UNBOUND: &str = "This route requires a token that is bound to its sender.";

#[cfg(all(test, feature = "test-kit"))]
mod tests {
    use super::*;
    use crate::extract::Scoped;
    use crate::extract::caller::tests::{caller_with, proven};
    use crate::sender::SenderProof;

    crate::scope!(Read = "read");

    type Inner = Scoped<Read, Bound>;
    type Outer = Bound<Scoped<Read>>;

    #[test]
    fn a_bearer_token_is_not_enough_and_any_proof_is() {
        let reader = || caller_with(&[("scope", "read".into())]);
        let unbound = Err(Cause::InvalidToken(UNBOUND).into());
        assert_eq!(Outer::grant(Some(reader())).map(drop), unbound);
        assert_eq!(Inner::grant(Some(reader())).map(drop), unbound);
        for (by_key, by_certificate) in [(true, false), (false, true), (true, true)] {
            let sender = SenderProof {
                by_key,
                by_certificate,
            };
            assert!(Outer::grant(Some(proven(reader(), sender))).is_ok());
            assert!(Inner::grant(Some(proven(reader(), sender))).is_ok());
        }
    }

    #[test]
    fn what_the_inner_type_asks_is_asked_first() {
        let rejected = Outer::grant(Some(caller_with(&[]))).map(drop);
        let lacking = Cause::InsufficientScope {
            alternatives: vec![vec!["read"]],
        };
        assert_eq!(rejected, Err(lacking.into()));
        assert_eq!(
            Outer::grant(None).map(drop),
            Err(Rejection::no_credentials())
        );
        let text = Outer::requirement().to_string();
        assert_eq!(text, "a token with read, bound to its sender");
    }
}
