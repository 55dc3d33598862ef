//! Access types compose, and any handler of Actix can be protected.

use std::sync::atomic::{AtomicUsize, Ordering};

use actix_resource_server::{
    Access, AccessFuture, AnyOf, Api, AuthenticatedUser, Authentication, Caller, Cause, Claim,
    Identified, KnownUser, MaybeUser, NoClaims, ProtectedRoute, Public, Rejection, Requirement,
    Scoped, StepUp, get, protected, step_up,
};
use actix_web::dev::Payload;
use actix_web::http::{Method, Uri};
use actix_web::test::{TestRequest, init_service};
use actix_web::{App, Either, FromRequest, HttpRequest, HttpResponse, Responder, web};
use serde::Deserialize;

use crate::app::{self, Admin, Answer, ReadMessages, WriteMessages, ask, get_with};

step_up!(Gold = acr "gold");
step_up!(Recently = max_age 5 minutes);

#[derive(Deserialize)]
struct Mail {
    email: String,
}

#[test]
fn wrappers_compose_in_any_order() {
    fn requirement<A: Access>() -> (Authentication, String) {
        (A::requirement().caller, A::requirement().to_string())
    }
    type Own = AuthenticatedUser<Mail>;
    let both = "a token with write:messages and read:messages";
    let cases = [
        (requirement::<Public>(), Authentication::None, "everyone"),
        (
            requirement::<AuthenticatedUser>(),
            Authentication::Required,
            "a token",
        ),
        (
            requirement::<AuthenticatedUser<NoClaims>>(),
            Authentication::Required,
            "a token",
        ),
        (requirement::<Own>(), Authentication::Required, "a token"),
        (
            requirement::<MaybeUser>(),
            Authentication::Optional,
            "everyone, or a token",
        ),
        (
            requirement::<MaybeUser<Own>>(),
            Authentication::Optional,
            "everyone, or a token",
        ),
        (
            requirement::<MaybeUser<Scoped<Admin, Own>>>(),
            Authentication::Optional,
            "everyone, or a token with admin",
        ),
        (
            requirement::<Scoped<ReadMessages, Scoped<WriteMessages>>>(),
            Authentication::Required,
            both,
        ),
        (
            requirement::<Scoped<ReadMessages, Scoped<WriteMessages, Own>>>(),
            Authentication::Required,
            both,
        ),
        (
            requirement::<StepUp<Recently, Scoped<Admin, StepUp<Gold, Own>>>>(),
            Authentication::Required,
            "a token with admin; a login with acr gold; a login at most 300 s ago",
        ),
        (
            requirement::<MaybeUser<Claim<KnownUser, StepUp<Gold>>>>(),
            Authentication::Optional,
            "everyone, or a token; a login with acr gold; Anonymous sessions are not accepted here.",
        ),
        (
            requirement::<Scoped<AnyOf<(ReadMessages, WriteMessages)>, Scoped<Admin>>>(),
            Authentication::Required,
            "a token with admin and read:messages, or admin and write:messages",
        ),
    ];
    for ((caller, text), expected_caller, expected) in cases {
        assert_eq!((caller, text.as_str()), (expected_caller, expected));
    }
}

#[expect(clippy::too_many_arguments, reason = "as many as actix takes")]
async fn sixteen(
    user: AuthenticatedUser,
    _: Method,
    _: Uri,
    _: Option<Uri>,
    _: HttpRequest,
    _: web::Data<u8>,
    _: web::Query<Vec<(String, String)>>,
    _: web::Path<()>,
    _: Option<web::Data<u16>>,
    _: Result<web::Data<u16>, actix_web::Error>,
    _: Option<web::ReqData<u32>>,
    _: actix_web::dev::ConnectionInfo,
    _: actix_web::dev::PeerAddr,
    _: MaybeUser,
    _: (Method, Uri),
    body: web::Bytes,
) -> String {
    format!(
        "{} sent {} bytes",
        user.subject().unwrap_or_default(),
        body.len()
    )
}

#[actix_web::test]
async fn a_handler_may_take_sixteen_arguments() {
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let table = Api::new("/api").route("/sixteen", get(sixteen));
    let app = App::new()
        .app_data(web::Data::new(8_u8))
        .app_data(verifier.clone());
    let app = app.service(table.verified_by(verifier));
    let app = app.route("/route", web::get().protected(sixteen));
    let app = init_service(app.route("/plain", web::get().to(protected(sixteen)))).await;
    for path in ["/api/sixteen", "/route", "/plain"] {
        let request = TestRequest::get()
            .uri(path)
            .peer_addr(([127, 0, 0, 1], 80).into());
        let request = request.insert_header(app::bearer(&issuer.token().build()));
        let answer = ask!(app, request.set_payload("four"));
        assert_eq!(
            answer.body,
            app::Body::Text("user-1 sent 4 bytes".to_owned()),
            "{path}"
        );
    }
}

#[actix_web::test]
async fn a_closure_may_be_a_handler() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let word = "captured";
    let table = Api::new("/api")
        .route(
            "/block",
            get(move |_: AuthenticatedUser| async move { word }),
        )
        .route(
            "/async",
            get(async |user: AuthenticatedUser| user.subject().unwrap_or_default().to_owned()),
        )
        .route(
            "/ready",
            get(|_: MaybeUser<Scoped<ReadMessages>>| {
                CALLS.fetch_add(1, Ordering::Relaxed);
                std::future::ready(HttpResponse::NoContent())
            }),
        );
    let app = init_service(App::new().service(table.verified_by(verifier))).await;
    let token = issuer.token().build();
    assert_eq!(
        get_with!(app, "/api/block", &token),
        Answer::text("captured")
    );
    assert_eq!(get_with!(app, "/api/async", &token), Answer::text("user-1"));
    assert_eq!(ask!(app, TestRequest::get().uri("/api/ready")).status, 204);
    assert_eq!(get_with!(app, "/api/ready", &token).status, 403);
    assert_eq!(CALLS.load(Ordering::Relaxed), 1);
}

#[actix_web::test]
async fn a_handler_may_return_any_responder() {
    async fn failing(_: Public) -> Result<&'static str, actix_web::Error> {
        Err(actix_web::error::ErrorImATeapot("short and stout"))
    }
    async fn either(_: Public, method: Method) -> Either<&'static str, HttpResponse> {
        match method == Method::GET {
            true => Either::Left("left"),
            false => Either::Right(HttpResponse::NoContent().finish()),
        }
    }
    async fn opaque(_: Public) -> impl Responder {
        ("opaque", actix_web::http::StatusCode::ACCEPTED)
    }
    let issuer = app::issuer();
    let table = Api::new("/api")
        .route("/failing", get(failing))
        .route("/either", get(either))
        .route("/opaque", get(opaque));
    let app = init_service(App::new().service(table.verified_by(app::verifier(&issuer)))).await;
    let status = async |path: &str| ask!(app, TestRequest::get().uri(path)).status;
    assert_eq!(status("/api/failing").await, 418);
    assert_eq!(status("/api/either").await, 200);
    assert_eq!(status("/api/opaque").await, 202);
}

/// An access type of the application, around any type with a caller.
struct ByMail<A: Identified = AuthenticatedUser<Mail>>(A);

impl<A: Identified> Access for ByMail<A> {
    fn requirement() -> Requirement {
        A::requirement()
    }

    fn grant(caller: Option<Caller>) -> Result<Self, Rejection> {
        let access = A::grant(caller)?;
        match access.caller().custom_claims::<Mail>() {
            Ok(mail) if mail.email.ends_with("@house.test") => Ok(Self(access)),
            _ => Err(Cause::InvalidToken("Members of the house only.").into()),
        }
    }
}

impl<A: Identified> Identified for ByMail<A> {
    fn caller(&self) -> &Caller {
        self.0.caller()
    }
}

impl<A: Identified> FromRequest for ByMail<A> {
    type Error = Rejection;
    type Future = AccessFuture<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        AccessFuture::start(request)
    }
}

#[actix_web::test]
async fn an_application_may_define_access_types() {
    async fn inside(member: ByMail) -> String {
        member.0.claims().email.clone()
    }
    async fn outside(member: MaybeUser<Scoped<ReadMessages, ByMail<AuthenticatedUser>>>) -> String {
        member.user().map_or_else(
            || "anonymous".to_owned(),
            |member| member.caller().subject().unwrap_or_default().to_owned(),
        )
    }
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let table = Api::new("/api")
        .route("/inside", get(inside))
        .route("/outside", get(outside));
    let app = init_service(App::new().service(table.verified_by(verifier))).await;
    let with = |mail: &str| {
        issuer
            .token()
            .scope("read:messages")
            .claim("email", mail)
            .build()
    };
    let member = with("a@house.test");
    assert_eq!(
        get_with!(app, "/api/inside", &member),
        Answer::text("a@house.test")
    );
    assert_eq!(
        get_with!(app, "/api/outside", &member),
        Answer::text("user-1")
    );
    assert_eq!(
        ask!(app, TestRequest::get().uri("/api/outside")),
        Answer::text("anonymous")
    );
    let guest = with("a@other.test");
    let rejected = Answer::invalid_token("Members of the house only.");
    assert_eq!(get_with!(app, "/api/inside", &guest), rejected);
    assert_eq!(get_with!(app, "/api/outside", &guest), rejected);
}
