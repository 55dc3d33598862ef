//! `Scoped` grants access by scopes, and rejects other tokens with the required ones.

use actix_resource_server::{Access, AnyOf, Api, MaybeUser, Scoped, Verifier, get, scope};
use actix_web::App;
use actix_web::test::{TestRequest, init_service};
use serde_json::{Value, json};

use crate::app::{self, Admin, Answer, ReadMessages, WriteMessages, ask, get_with};

type Both = (ReadMessages, WriteMessages);
type AdminOrBoth = AnyOf<(Admin, Both)>;
type AdminAndOneOf = (Admin, AnyOf<Both>);

async fn one(_: Scoped<ReadMessages>) -> &'static str {
    "in"
}

async fn both(_: Scoped<Both>) -> &'static str {
    "in"
}

async fn any(_: Scoped<AnyOf<Both>>) -> &'static str {
    "in"
}

async fn admin_or_both(_: Scoped<AdminOrBoth>) -> &'static str {
    "in"
}

async fn admin_and_one_of(_: Scoped<AdminAndOneOf>) -> &'static str {
    "in"
}

async fn nested(_: Scoped<Admin, Scoped<ReadMessages>>) -> &'static str {
    "in"
}

fn api() -> Api {
    Api::new("/api")
        .route("/one", get(one))
        .route("/both", get(both))
        .route("/any", get(any))
        .route("/admin-or-both", get(admin_or_both))
        .route("/admin-and-one-of", get(admin_and_one_of))
        .route("/nested", get(nested))
}

#[actix_web::test]
async fn access_is_granted_by_the_scopes_of_the_token() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let app = init_service(App::new().service(api().verified_by(verifier))).await;
    let in_with = [
        ("/api/one", "read:messages"),
        ("/api/one", "write:messages read:messages"),
        ("/api/both", "write:messages read:messages"),
        ("/api/any", "read:messages"),
        ("/api/any", "write:messages"),
        ("/api/admin-or-both", "admin"),
        ("/api/admin-or-both", "read:messages write:messages"),
        ("/api/admin-and-one-of", "admin write:messages"),
        ("/api/nested", "admin read:messages"),
    ];
    for (path, scopes) in in_with {
        let answer = get_with!(app, path, &issuer.token().scope(scopes).build());
        assert_eq!(answer, Answer::text("in"), "{path} with {scopes}");
    }
}

/// The alternatives that a rejection lists.
type Ways = &'static [&'static [&'static str]];

const READ: Ways = &[&["read:messages"]];
const ADMIN: Ways = &[&["admin"]];
const BOTH: Ways = &[&["read:messages", "write:messages"]];
const ANY: Ways = &[&["read:messages"], &["write:messages"]];
const ADMIN_OR_BOTH: Ways = &[&["admin"], &["read:messages", "write:messages"]];
const ADMIN_AND_ONE_OF: Ways = &[&["admin", "read:messages"], &["admin", "write:messages"]];

#[actix_web::test]
async fn the_challenge_names_the_first_alternative_and_the_body_all() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let app = init_service(App::new().service(api().verified_by(verifier))).await;
    let out_with = [
        ("/api/one", "write:messages", READ),
        ("/api/one", "Read:messages", READ),
        ("/api/one", "read:messages:all", READ),
        ("/api/both", "read:messages", BOTH),
        ("/api/both", "admin", BOTH),
        ("/api/any", "admin", ANY),
        ("/api/admin-or-both", "", ADMIN_OR_BOTH),
        ("/api/admin-or-both", "write:messages", ADMIN_OR_BOTH),
        ("/api/admin-and-one-of", "admin", ADMIN_AND_ONE_OF),
        ("/api/nested", "admin", READ),
        ("/api/nested", "read:messages", ADMIN),
    ];
    for (path, scopes, ways) in out_with {
        let answer = get_with!(app, path, &issuer.token().scope(scopes).build());
        let mut expected = Answer::insufficient_scope(ways);
        if path == "/api/nested" {
            // The body names what is missing, the challenge what the route requires.
            let all = r#"scope="read:messages admin""#;
            let challenge = expected.challenge.expect("a challenge");
            let scopes = challenge.find("scope=").expect("scopes");
            expected.challenge = Some(format!("{}{all}", &challenge[..scopes]));
        }
        assert_eq!(answer, expected, "{path} with {scopes}");
    }
}

#[actix_web::test]
async fn a_request_without_a_token_is_401_and_learns_no_scope() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let app = init_service(App::new().service(api().verified_by(verifier))).await;
    for path in ["/api/one", "/api/both", "/api/any", "/api/nested"] {
        let answer = ask!(app, TestRequest::get().uri(path));
        assert_eq!(answer, Answer::no_credentials(), "{path}");
    }
}

#[actix_web::test]
async fn scopes_are_read_from_scope_and_scp() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let app = init_service(App::new().service(api().verified_by(verifier))).await;
    let cases: [(&str, Value, u16); 10] = [
        ("scope", json!("read:messages"), 200),
        ("scope", json!(["read:messages"]), 200),
        ("scp", json!("read:messages"), 200),
        ("scp", json!(["write:messages", "read:messages"]), 200),
        ("scope", json!("read:messages\twrite:messages"), 403),
        ("scope", json!(["read:messages write:messages"]), 403),
        ("scope", json!(["read:messages", 1]), 403),
        ("scope", json!({"read:messages": true}), 403),
        ("scope", json!(null), 403),
        ("permissions", json!(["read:messages"]), 403),
    ];
    for (claim, value, status) in cases {
        let token = issuer.token().claim(claim, value.clone()).build();
        assert_eq!(
            get_with!(app, "/api/one", &token).status,
            status,
            "{claim} {value}"
        );
    }
}

#[actix_web::test]
async fn scopes_may_be_read_from_configured_claims() {
    let issuer = app::issuer();
    let claims =
        ["permissions", "/realm_access/roles"].map(|claim| claim.parse().expect("a claim"));
    let verifier = app::verifier_of(app::trusted(&issuer).scope_claims(claims));
    let app = init_service(App::new().service(api().verified_by(verifier))).await;
    let cases = [
        ("permissions", json!(["read:messages"]), 200),
        ("realm_access", json!({"roles": ["read:messages"]}), 200),
        ("realm_access", json!(["read:messages"]), 403),
        ("scope", json!("read:messages"), 403),
    ];
    for (claim, value, status) in cases {
        let token = issuer.token().claim(claim, value.clone()).build();
        assert_eq!(
            get_with!(app, "/api/one", &token).status,
            status,
            "{claim} {value}"
        );
    }
}

scope!(ReadDocs = "docs:read");
scope!(CommentDocs = "docs:comment", implies ReadDocs);
scope!(WriteDocs = "docs:write", implies ReadDocs, CommentDocs);
// No route requires it.
scope!(ManageDocs = "docs:manage", implies WriteDocs);
// Another type, which happens to have the same name.
scope!(OtherReadDocs = "docs:read");

async fn docs(_: Scoped<ReadDocs>) -> &'static str {
    "in"
}

async fn comment_docs(_: Scoped<(CommentDocs, ReadMessages)>) -> &'static str {
    "in"
}

async fn write_docs(_: Scoped<AnyOf<(WriteDocs, Admin)>>) -> &'static str {
    "in"
}

async fn maybe_docs(_: MaybeUser<Scoped<ReadDocs>>) -> &'static str {
    "in"
}

async fn other_docs(_: Scoped<OtherReadDocs>) -> &'static str {
    "in"
}

#[actix_web::test]
async fn a_scope_is_granted_by_those_that_imply_it() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let api = Api::new("/docs")
        .route("/read", get(docs))
        .route("/comment", get(comment_docs))
        .route("/write", get(write_docs))
        .route("/maybe", get(maybe_docs))
        .route("/other", get(other_docs));
    let app = init_service(App::new().service(api.verified_by(verifier))).await;
    for (path, scopes, is_in) in [
        ("read", "docs:read", true),
        ("read", "docs:comment", true),
        ("read", "docs:write", true),
        ("read", "docs:manage", true),
        ("read", "Docs:Write", false),
        ("read", "docs:writer", false),
        ("comment", "docs:comment read:messages", true),
        ("comment", "docs:manage read:messages", true),
        ("comment", "docs:manage", false),
        ("comment", "docs:read read:messages", false),
        ("write", "docs:manage", true),
        ("write", "docs:read docs:comment", false),
        ("maybe", "docs:comment", true),
        ("maybe", "", false),
        ("other", "docs:read", true),
        ("other", "docs:write", false),
    ] {
        let token = issuer.token().scope(scopes).build();
        let answer = get_with!(app, &format!("/docs/{path}"), &token);
        assert_eq!(
            answer.status == 200,
            is_in,
            "{path} with {scopes}: {answer:?}"
        );
        if path == "read" && !is_in {
            assert_eq!(answer, Answer::insufficient_scope(&[&["docs:read"]]));
        }
    }
}

#[test]
fn the_requirement_names_the_scopes_that_imply_it() {
    let implied = <Scoped<(ReadDocs, ReadMessages)>>::requirement();
    assert_eq!(
        implied.to_string(),
        "a token with docs:read (implied by docs:comment, docs:manage, docs:write) and read:messages"
    );
    let wider: &[&str] = &["docs:comment", "docs:manage", "docs:write"];
    assert_eq!(implied.implied_by, [("docs:read", wider)]);
}

#[actix_web::test]
async fn a_configured_scope_implies_others() {
    let issuer = app::issuer();
    let trusted = app::trusted(&issuer).scope_implies("everything", ["messages"]);
    let trusted = trusted.scope_implies("messages", ["read:messages", "write:messages"]);
    let verifier = Verifier::start([trusted.build().expect("an issuer")]).expect("a verifier");
    verifier.ready().await;
    let app = init_service(App::new().service(api().verified_by(verifier))).await;
    for (path, scopes, is_in) in [
        ("/api/both", "everything", true),
        ("/api/both", "messages", true),
        ("/api/both", "read:messages", false),
        ("/api/one", "Everything", false),
        ("/api/admin-or-both", "everything", true),
        ("/api/nested", "everything", false),
    ] {
        let answer = get_with!(app, path, &issuer.token().scope(scopes).build());
        assert_eq!(answer.status == 200, is_in, "{path} with {scopes}");
    }
    let cycle = app::trusted(&issuer)
        .scope_implies("a", ["b"])
        .scope_implies("b", ["a"]);
    let error = cycle.build().expect_err("a cycle");
    assert_eq!(
        error.to_string(),
        "a scope must not imply itself: a implies b implies a"
    );
}
