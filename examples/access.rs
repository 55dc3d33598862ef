//! The access types: scopes, claims of your own, rules on claims, optional users, recent logins, bound tokens.
//!
//! `cargo run --example access` serves them with a development issuer; `-- routes` lists what each requires.

use std::process::ExitCode;

use actix_resource_server::{
    AnyOf, Api, AuthenticatedUser, Bound, Claim, MaybeUser, Public, Scoped, Service, StepUp, claim,
    delete, get, post, scope, step_up,
};
use serde::Deserialize;

scope!(pub ReadNotes = "read:notes");
scope!(pub WriteNotes = "write:notes");
scope!(pub Admin = "admin");

claim!(pub Staff = "/roles" includes "staff");

step_up!(pub Recently = max_age 5 minutes);

/// The claims that a handler reads; a token without them is rejected.
#[derive(Deserialize)]
struct Profile {
    sub: String,
    email: Option<String>,
}

async fn open(_: Public) -> &'static str {
    "everyone"
}

async fn greeting(caller: MaybeUser) -> String {
    match caller.user().and_then(|user| user.subject()) {
        Some(subject) => format!("Hello, {subject}."),
        None => "Hello.".to_owned(),
    }
}

async fn profile(user: AuthenticatedUser<Profile>) -> String {
    let Profile { sub, email } = user.claims();
    format!("{sub}, {}", email.as_deref().unwrap_or("no address"))
}

/// A tuple needs all of its scopes.
async fn edit(_: Scoped<(ReadNotes, WriteNotes)>) -> &'static str {
    "read:notes and write:notes"
}

async fn read(_: Scoped<AnyOf<(ReadNotes, Admin)>>) -> &'static str {
    "read:notes or admin"
}

async fn office(_: Claim<Staff>) -> &'static str {
    "the role staff"
}

/// Access types nest, and the innermost decides first: the scope, a login at most five minutes ago, the role.
async fn purge(_: Claim<Staff, StepUp<Recently, Scoped<Admin>>>) -> &'static str {
    "admin, a recent login, staff"
}

/// A stolen token is of no use here: the client proves that it was issued to it.
async fn transfer(_: Bound<Scoped<WriteNotes>>) -> &'static str {
    "write:notes, with a proof of possession"
}

fn api() -> Api {
    Api::new("/api")
        .route("/open", get(open))
        .route("/greeting", get(greeting))
        .route("/profile", get(profile))
        .route("/notes", get(read))
        .route("/notes", post(edit))
        .route("/notes", delete(purge))
        .route("/office", get(office))
        .route("/transfer", post(transfer))
}

fn main() -> ExitCode {
    Service::new(api).run()
}

#[cfg(test)]
mod tests {
    use actix_resource_server::test_kit::{DenialMatrix, TestIssuer};
    use actix_resource_server::{Algorithm, Issuer, Verifier};
    use actix_web::App;
    use actix_web::test::{call_service, init_service};

    use super::*;

    #[actix_web::test]
    async fn each_route_rejects_what_it_must_reject() {
        let issuer = TestIssuer::start_with(Algorithm::Es256);
        let trusted = Issuer::discover(issuer.url()).audience(issuer.audience());
        let verifier = Verifier::start([trusted.build().unwrap()]).unwrap();
        let app = init_service(App::new().service(api().verified_by(verifier))).await;
        let report = DenialMatrix::new(&issuer)
            .try_app(&api(), async |request| {
                call_service(&app, request.to_request()).await
            })
            .await;
        report.assert_denied();
    }
}
