//! `Scoped`: a caller whose token grants scopes.

use std::marker::PhantomData;

use actix_web::dev::Payload;

use super::wrapper::impl_wrapper;
use super::{Access, AuthenticatedUser, Caller, Identified, Requirement};
use crate::claims::scope::Scopes;
use crate::rejection::{Cause, Rejection};

/// A caller whose verified token grants the scope `S`.
///
/// `S` is a type defined by [`scope!`](crate::scope), a tuple of them (all are required), or [`AnyOf`](crate::AnyOf) a
/// tuple (one suffices). Rejects whatever `A` rejects, and tokens without the scope with 403 `insufficient_scope`
/// ([RFC 6750 §3.1]). It dereferences to `A`.
///
/// # Examples
/// ```
/// use actix_resource_server::{AnyOf, Scoped, scope};
///
/// scope!(pub ReadMessages = "read:messages");
/// scope!(pub Admin = "admin");
///
/// async fn inbox(caller: Scoped<ReadMessages>) -> String {
///     caller.subject().unwrap_or("unknown").to_owned()
/// }
///
/// async fn export(_: Scoped<AnyOf<(Admin, ReadMessages)>>) {}
/// ```
///
/// [RFC 6750 §3.1]: https://www.rfc-editor.org/rfc/rfc6750#section-3.1
pub struct Scoped<S: Scopes, A: Identified = AuthenticatedUser> {
    access: A,
    scopes: PhantomData<fn() -> S>,
}

impl<S: Scopes, A: Identified> Access for Scoped<S, A> {
    fn requirement() -> Requirement {
        let requirement = A::requirement().and_scopes(&S::alternatives());
        requirement.and_implied(S::implied())
    }

    fn grant(caller: Option<Caller>) -> Result<Self, Rejection> {
        let access = A::grant(caller)?;
        if !S::met_by(access.caller().scopes()) {
            return Err(Cause::InsufficientScope {
                alternatives: S::alternatives(),
            }
            .into());
        }
        Ok(Self {
            access,
            scopes: PhantomData,
        })
    }

    fn limit_body(&self, body: Payload) -> Payload {
        self.access.limit_body(body)
    }
}

impl_wrapper!(Scoped<S: Scopes, A: Identified>);

#[cfg(all(test, feature = "test-kit"))]
mod tests {
    use super::*;
    use crate::AnyOf;
    use crate::extract::caller::tests::caller_with;

    crate::scope!(Read = "read");
    crate::scope!(Write = "write");

    fn granted<A: Access>(scopes: &str) -> Result<(), Rejection> {
        A::grant(Some(caller_with(&[("scope", scopes.into())]))).map(drop)
    }

    fn lacking(ways: &[&[&'static str]]) -> Result<(), Rejection> {
        Err(Cause::InsufficientScope {
            alternatives: ways.iter().map(|way| way.to_vec()).collect(),
        }
        .into())
    }

    #[test]
    fn a_token_without_the_scope_is_turned_away() {
        assert_eq!(granted::<Scoped<Read>>("write read"), Ok(()));
        assert_eq!(granted::<Scoped<Read>>("write"), lacking(&[&["read"]]));
        assert_eq!(
            granted::<Scoped<(Read, Write)>>("read"),
            lacking(&[&["read", "write"]])
        );
        assert_eq!(
            granted::<Scoped<AnyOf<(Read, Write)>>>("other"),
            lacking(&[&["read"], &["write"]])
        );
    }

    #[test]
    fn the_inner_type_is_asked_first() {
        type Both = Scoped<Write, Scoped<Read>>;
        assert_eq!(granted::<Both>("read write"), Ok(()));
        assert_eq!(granted::<Both>(""), lacking(&[&["read"]]));
        assert_eq!(granted::<Both>("read"), lacking(&[&["write"]]));
        assert_eq!(
            Both::grant(None).map(drop),
            Err(Rejection::no_credentials())
        );
    }
}
