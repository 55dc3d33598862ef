use actix_web::body::MessageBody;
use actix_web::{HttpResponse, ResponseError};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::*;
use crate::extract::{
    Access, AuthenticatedUser, Bound, Claim, Delegated, Direct, MaybeUser, Public, Scoped, StepUp,
};
use crate::issuer::Issuer;
use crate::jose::Algorithm;
use crate::routing::{Endpoint, delete, get, patch, post, put};
use crate::sender::{CertificateSource, ClientCertificates, Dpop};
use crate::{AnyOf, Cause, Rejection};

crate::scope!(Read = "read");
crate::scope!(Write = "write");
crate::scope!(Admin = "admin");
crate::claim!(Staff = "roles" includes "staff");
crate::step_up!(Strong = acr "gold", amr "mfa", max_age 1 hours);
crate::step_up!(Recently = acr "gold", max_age 5 minutes);

async fn public(_: Public) -> &'static str {
    ""
}

async fn private(_: AuthenticatedUser) -> &'static str {
    ""
}

async fn reads(_: Scoped<Read>) -> &'static str {
    ""
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Order {
    number: u64,
    lines: Vec<Line>,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Line {
    article: String,
}

/// Another type of the same name.
mod other {
    #[derive(utoipa::ToSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    pub(super) struct Line {
        speed: f64,
    }
}

fn document<V: 'static>(api: &Api<V>) -> Value {
    serde_json::to_value(api.openapi()).expect("JSON")
}

fn operation(endpoint: Endpoint) -> Value {
    let document = document(&Api::new("").route("/x", endpoint));
    let item = &document["paths"]["/x"];
    let (_, operation) = item
        .as_object()
        .and_then(|item| item.iter().next())
        .expect("an operation");
    operation.clone()
}

fn statuses(operation: &Value) -> Vec<&str> {
    let responses = operation["responses"].as_object().expect("responses");
    responses.keys().map(String::as_str).collect()
}

const AUTHENTICATED: [&str; 5] = ["200", "400", "401", "429", "503"];
const AUTHORIZED: [&str; 6] = ["200", "400", "401", "403", "429", "503"];

macro_rules! requires {
    ($access:ty) => {
        operation(get(async |_: $access| ""))
    };
}

#[test]
fn the_first_argument_of_a_handler_is_the_security_requirement() {
    let scheme = |scopes: &[&str]| json!({ "accessToken": scopes });
    for (operation, security, responses) in [
        (requires!(Public), json!([]), &["200"][..]),
        (
            requires!(AuthenticatedUser),
            json!([scheme(&[])]),
            &AUTHENTICATED,
        ),
        (
            requires!(Scoped<Read>),
            json!([scheme(&["read"])]),
            &AUTHORIZED,
        ),
        (
            requires!(Scoped<Write, Scoped<Read>>),
            json!([scheme(&["read", "write"])]),
            &AUTHORIZED,
        ),
        (
            requires!(Scoped<AnyOf<(Admin, (Read, Write))>>),
            json!([scheme(&["admin"]), scheme(&["read", "write"])]),
            &AUTHORIZED,
        ),
        (
            requires!(MaybeUser),
            json!([{}, scheme(&[])]),
            &AUTHENTICATED,
        ),
        (
            requires!(MaybeUser<Scoped<Read>>),
            json!([{}, scheme(&["read"])]),
            &AUTHORIZED,
        ),
        (requires!(Claim<Staff>), json!([scheme(&[])]), &AUTHORIZED),
        (
            requires!(StepUp<Recently>),
            json!([scheme(&[])]),
            &AUTHENTICATED,
        ),
    ] {
        assert_eq!(operation["security"], security);
        assert_eq!(statuses(&operation), responses, "{security}");
    }
}

#[test]
fn what_a_security_requirement_cannot_express_is_described() {
    let description = |operation: Value| operation["description"].clone();
    assert_eq!(description(requires!(Scoped<Read>)), Value::Null);
    assert_eq!(
        description(requires!(StepUp<Recently>)),
        "Requires a login with acr gold, at most 300 s ago (RFC 9470)."
    );
    let both = operation(
        get(async |_: Claim<Staff, StepUp<Recently>>| "").description("Lists the employees."),
    );
    assert_eq!(
        description(both),
        "Lists the employees.\n\nRequires a login with acr gold, at most 300 s ago (RFC 9470).\n\n\
         The token's claim roles must include staff."
    );
    let bound = requires!(Bound);
    assert!(
        bound["description"]
            .as_str()
            .is_some_and(|text| text.contains("bound to its sender"))
    );
    let proof = &bound["parameters"][0];
    assert_eq!(
        [&proof["name"], &proof["in"], &proof["required"]],
        [&json!("DPoP"), &json!("header"), &json!(true)]
    );
    let optional = requires!(MaybeUser<Bound>);
    assert_eq!(optional["parameters"][0]["required"], false);
}

#[test]
fn rules_on_the_actor_are_described_and_may_reject() {
    crate::actor!(Assistant = client_id "assistant");
    for (operation, rule) in [
        (
            requires!(Delegated<Assistant>),
            "The token's actor must have the client_id assistant.",
        ),
        (
            requires!(Direct),
            "This route is for the user directly, not for a client that acts on the user's behalf.",
        ),
    ] {
        assert_eq!(operation["description"], rule);
        assert_eq!(statuses(&operation), AUTHORIZED);
    }
}

#[test]
fn rejections_are_shared_and_described_with_their_headers() {
    let api = Api::new("")
        .route("/a", get(private))
        .route("/b", get(reads));
    let document = document(&api);
    for path in ["/a", "/b"] {
        assert_eq!(
            document["paths"][path]["get"]["responses"]["401"],
            json!({ "$ref": "#/components/responses/Unauthorized" })
        );
    }
    let responses = &document["components"]["responses"];
    for (name, header) in [
        ("Unauthorized", "WWW-Authenticate"),
        ("Forbidden", "WWW-Authenticate"),
        ("TooManyRequests", "Retry-After"),
        ("ServiceUnavailable", "Retry-After"),
    ] {
        assert_eq!(
            responses[name]["headers"][header]["required"], true,
            "{name}"
        );
        assert_eq!(
            responses[name]["content"]["application/problem+json"]["schema"]["$ref"],
            "#/components/schemas/Problem"
        );
    }
}

#[test]
fn the_schema_of_problems_has_every_member_of_a_rejection() {
    let document = document(&Api::new("").route("/", get(private)));
    let schema = &document["components"]["schemas"]["Problem"];
    let scopes = Cause::InsufficientScope {
        alternatives: vec![vec!["a"], vec!["b"]],
    };
    let login = StepUp::<Strong>::requirement().logins[0];
    for cause in [scopes, Cause::InsufficientLogin(login)] {
        let response = Rejection::from(cause).error_response();
        let body = response.into_body().try_into_bytes().expect("a body");
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        for (member, value) in body.as_object().expect("an object") {
            let expected = match value {
                Value::String(_) => "string",
                Value::Number(_) => "integer",
                _ => "array",
            };
            let described = &schema["properties"][member]["type"];
            assert_eq!(described, expected, "{member}");
        }
    }
}

#[test]
fn a_table_with_its_own_error_format_claims_no_problem_documents() {
    let api = Api::new("")
        .route("/", get(reads))
        .error_format(|error| HttpResponse::build(error.status).finish());
    let document = document(&api);
    let responses = &document["paths"]["/"]["get"]["responses"];
    let forbidden = &responses["403"];
    assert_eq!(forbidden["headers"]["WWW-Authenticate"]["required"], true);
    assert_eq!(forbidden["content"], Value::Null);
    assert_eq!(document["components"]["responses"], Value::Null);
    assert_eq!(document["components"]["schemas"], Value::Null);
}

#[test]
fn nothing_is_said_of_tokens_where_no_route_takes_one() {
    let document = document(&Api::new("").route("/", get(public)));
    assert_eq!(document["components"], Value::Null);
    assert_eq!(
        document,
        json!({
            "openapi": "3.1.0",
            "info": {"title": "API", "version": "1.0.0"},
            "servers": [{"url": "/"}],
            "paths": {"/": {"get": {
                "operationId": "public",
                "responses": {"200": {"description": "OK"}},
                "security": [],
            }}},
        })
    );
}

#[test]
fn bodies_are_described_by_their_types() {
    let api = Api::new("")
        .route("/a", post(private).accepts::<Order>().returns::<Order>(201))
        .route("/b", get(private).returns::<Vec<Line>>(200))
        .route("/c", get(private).returns::<String>(200))
        .route("/d", delete(private).returns::<()>(204))
        .route("/e", get(private).returns_as::<String>(200, "text/csv"))
        .route("/f", get(private).returns::<other::Line>(200))
        .route(
            "/g",
            patch(private).returns::<Line>(404).returns::<Line>(401),
        );
    let document = document(&api);
    let paths = &document["paths"];
    let body = |path: &str, method: &str, status: &str, media_type: &str| {
        paths[path][method]["responses"][status]["content"][media_type]["schema"].clone()
    };
    let order = json!({ "$ref": "#/components/schemas/Order" });
    let request = &paths["/a"]["post"]["requestBody"];
    assert_eq!(request["required"], true);
    assert_eq!(request["content"]["application/json"]["schema"], order);
    assert_eq!(body("/a", "post", "201", "application/json"), order);
    assert_eq!(
        body("/b", "get", "200", "application/json")["type"],
        "array"
    );
    assert_eq!(body("/c", "get", "200", "text/plain")["type"], "string");
    assert_eq!(
        paths["/d"]["delete"]["responses"]["204"],
        json!({"description": "No Content"})
    );
    assert_eq!(body("/e", "get", "200", "text/csv")["type"], "string");
    let second = body("/f", "get", "200", "application/json");
    assert_eq!(second["properties"]["speed"]["type"], "number");
    let statuses = statuses(&paths["/g"]["patch"]);
    assert_eq!(statuses, ["200", "400", "401", "404", "429", "503"]);
    let unauthorized = &paths["/g"]["patch"]["responses"]["401"];
    let content = &unauthorized["content"];
    assert_ne!(content["application/json"], Value::Null);
    assert_ne!(content["application/problem+json"], Value::Null);
    assert_eq!(
        unauthorized["headers"]["WWW-Authenticate"]["required"],
        true
    );
    let schemas = document["components"]["schemas"]
        .as_object()
        .expect("schemas");
    assert_eq!(
        schemas.keys().collect::<Vec<_>>(),
        ["Line", "Order", "Problem"]
    );
}

#[test]
fn what_extractors_cannot_read_is_described() {
    let post = operation(post(public).accepts::<Line>());
    assert_eq!(statuses(&post), ["200", "400", "413"]);
    assert_eq!(
        post["responses"]["400"]["content"]["text/plain"]["schema"]["type"],
        "string"
    );
    let own = operation(put(public).accepts::<Line>().returns::<Line>(400));
    assert_eq!(
        own["responses"]["400"]["content"]["text/plain"],
        Value::Null
    );
    let rejected = operation(put(private).accepts::<Line>());
    let content = &rejected["responses"]["400"]["content"];
    assert_eq!(content.as_object().map(serde_json::Map::len), Some(2));
    assert_ne!(content["application/problem+json"], Value::Null);
    assert_ne!(content["text/plain"], Value::Null);
}

#[test]
#[should_panic(expected = "999 is no HTTP status code")]
fn a_response_has_a_status_of_http() {
    let _ = get(public).returns::<()>(999);
}

#[test]
fn texts_of_the_application_describe_operations() {
    let described = operation(
        put(private)
            .summary("Replaces it.")
            .description("All of **it**.")
            .tag("orders")
            .operation_id("replaceOrder"),
    );
    assert_eq!(described["summary"], "Replaces it.");
    assert_eq!(described["description"], "All of **it**.");
    assert_eq!(described["tags"], json!(["orders"]));
    assert_eq!(described["operationId"], "replaceOrder");
}

#[test]
fn the_table_has_a_title_and_a_page() {
    let api = Api::new("").route("/", get(public)).title("Orders");
    let document = document(&api.documentation("https://docs.example/"));
    assert_eq!(document["info"]["title"], "Orders");
    assert_eq!(document["externalDocs"]["url"], "https://docs.example/");
    assert!(document["externalDocs"]["description"].is_string());
}

#[test]
fn each_operation_has_an_id_of_its_own() {
    async fn generic<T: Default>(_: Public) -> &'static str {
        drop(T::default());
        ""
    }
    let api = Api::new("/api")
        .route("/a", get(public))
        .route("/b", get(private))
        .route("/b/{id}", put(private))
        .route("/c-d", get(async |_: Public| ""))
        .route("/c/d", get(async |_: Public| ""))
        .route("/e", get(reads).operation_id("get_api_c_d"))
        .route("/f", get(generic::<Vec<String>>))
        .route("/g", get(reads));
    let rows: Vec<_> = Row::all(&api).collect();
    let ids = operation::operation_ids(&rows);
    assert_eq!(
        ids,
        [
            "public",
            "get_api_b",
            "put_api_b_id",
            "get_api_c_d_2",
            "get_api_c_d_3",
            "get_api_c_d",
            "generic",
            "get_api_g",
        ]
    );
}

#[test]
fn rows_that_differ_in_regular_expressions_are_one_operation_that_names_both() {
    let api = Api::new("")
        .route(r"/x/{id:\d+}", get(private))
        .route("/x/{name:[a-z]+}", get(reads).summary("by name"))
        .route("/x/{key}", delete(reads))
        .mounted_at("/v1");
    let document = document(&api);
    let paths = document["paths"].as_object().expect("paths");
    assert_eq!(paths.keys().collect::<Vec<_>>(), ["/v1/x/{id}"]);
    let item = &paths["/v1/x/{id}"];
    assert_eq!(item["get"]["operationId"], "private");
    assert_eq!(item["get"]["security"], json!([{"accessToken": []}]));
    assert_eq!(
        item["get"]["description"],
        "`GET /v1/x/{name:[a-z]+}` is another operation: a token with read, by name."
    );
    assert_eq!(item["delete"]["parameters"][0]["name"], "id");
}

#[test]
fn parameters_of_the_application_precede_those_of_the_path() {
    #[derive(utoipa::IntoParams)]
    #[expect(dead_code, reason = "only its parameters are used")]
    struct ById {
        id: u64,
    }
    #[derive(utoipa::IntoParams)]
    #[expect(dead_code, reason = "only its parameters are used")]
    struct Page {
        limit: Option<u32>,
    }
    let api = Api::new("").route("/{id}/{x}", get(public).path::<ById>().query::<Page>());
    let document = document(&api);
    let parameters = &document["paths"]["/{id}/{x}"]["get"]["parameters"];
    let shown = parameters.as_array().expect("parameters").iter();
    let shown: Vec<_> = shown
        .map(|it| {
            (
                it["name"].as_str(),
                it["in"].as_str(),
                it["required"].as_bool(),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            (Some("id"), Some("path"), Some(true)),
            (Some("limit"), Some("query"), Some(false)),
            (Some("x"), Some("path"), Some(true)),
        ]
    );
    assert_eq!(parameters[0]["schema"]["type"], "integer");
}

fn verifier(issuers: impl IntoIterator<Item = Issuer>, dpop: Option<Dpop>) -> Verifier {
    let builder = Verifier::builder();
    let builder = match dpop {
        Some(dpop) => builder.dpop(dpop),
        None => builder.without_dpop(),
    };
    builder.start(issuers).expect("a verifier")
}

fn with_secret(name: &str) -> Issuer {
    let issuer = Issuer::with_secret(name, &"s".repeat(32), Algorithm::Hs256);
    issuer.audience("a").build().expect("an issuer")
}

#[test]
fn schemes_describe_the_issuers_of_the_verifier() {
    let verifier = verifier([with_secret("https://a.example/"), with_secret("b")], None);
    let api = Api::new("").route("/", get(reads)).verified_by(verifier);
    let document = document(&api);
    let scheme = |issuer: &str| {
        json!({
            "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
            "description": format!("An access token of the issuer {issuer}."),
        })
    };
    assert_eq!(
        document["components"]["securitySchemes"],
        json!({"accessToken": scheme("https://a.example/"), "accessToken_2": scheme("b")})
    );
    let get = &document["paths"]["/"]["get"];
    assert_eq!(
        get["security"],
        json!([{"accessToken": ["read"]}, {"accessToken_2": ["read"]}])
    );
    // Nothing is fetched, and there are no proofs.
    assert_eq!(statuses(get), ["200", "400", "401", "403"]);
}

#[test]
fn required_proofs_of_possession_are_described() {
    let description = |verifier| {
        let api = Api::new("").route("/", get(reads)).verified_by(verifier);
        let scheme = &document(&api)["components"]["securitySchemes"]["accessToken"];
        scheme["description"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let issuer = || [with_secret("a")];
    let dpop = description(verifier(issuer(), Some(Dpop::default().required())));
    assert!(dpop.contains("Bearer tokens are rejected"), "{dpop}");
    let certificates = ClientCertificates::from_source(CertificateSource::Connection).required();
    let builder = Verifier::builder().without_dpop();
    let builder = builder.client_certificates(certificates);
    let certificates = description(builder.start(issuer()).expect("a verifier"));
    assert!(
        certificates.contains("client certificate"),
        "{certificates}"
    );
}

#[test]
fn a_document_of_ones_own_is_secured_and_differences_are_told() {
    let api = Api::new("/api")
        .route(r"/x/{id:\d+}", get(reads))
        .route("/missing", get(private));
    let own = json!({
        "openapi": "3.1.0",
        "info": {"title": "Own", "version": "1"},
        "paths": {
            "/api/x/{number}": {
                "get": {"responses": {"200": {"description": "x"}, "401": {"description": "mine"}}},
                "post": {"responses": {}},
            },
            "/other": {"get": {"responses": {}}},
        },
        "components": {
            "schemas": {"Problem": {"type": "string"}},
            "securitySchemes": {"accessToken": {"type": "http", "scheme": "basic"}},
        },
    });
    let mut document: OpenApi = serde_json::from_value(own).expect("a document");
    let differences = api.secure(&mut document);
    assert_eq!(
        differences.to_string(),
        "GET /api/missing is not in the document\nPOST /api/x/{number} is in no table\nGET /other is in no table"
    );
    assert_eq!(
        differences.undocumented().collect::<Vec<_>>(),
        ["GET /api/missing"]
    );
    assert_eq!(differences.unknown().count(), 2);
    let again = api.secure(&mut document);
    assert_eq!(again, differences);
    let document = serde_json::to_value(document).expect("JSON");
    let get = &document["paths"]["/api/x/{number}"]["get"];
    assert_eq!(get["security"], json!([{"accessToken_2": ["read"]}]));
    assert_eq!(get["responses"]["401"]["description"], "mine");
    let forbidden = &document["components"]["responses"]["Forbidden"];
    assert_eq!(
        forbidden["content"]["application/problem+json"]["schema"]["$ref"],
        "#/components/schemas/Problem_2"
    );
    assert_eq!(
        document["components"]["schemas"]["Problem"]["type"],
        "string"
    );
    let schemes = &document["components"]["securitySchemes"];
    assert_eq!(schemes.as_object().map(serde_json::Map::len), Some(2));
}

#[test]
fn odd_tables_make_valid_documents() {
    for pattern in [
        "",
        "/",
        r"/{a:[^{}/]+}",
        r"/{a:\d{1,3}}-{b:(?i)x|y}",
        "/{a}/{a:.*}",
        "/%7B/{tail}*",
    ] {
        let api = Api::new("")
            .route(pattern, get(public))
            .mounted_at("/{tenant}");
        let document = document(&api);
        let paths = document["paths"].as_object().expect("paths");
        for (path, item) in paths {
            assert!(path.starts_with("/{tenant}"), "{path}");
            let parameters = item["get"]["parameters"].as_array().expect("parameters");
            // Each parameter stands once in the path, and the path has no other braces.
            let mut rest = path.clone();
            for parameter in parameters {
                let name = parameter["name"].as_str().expect("a name");
                rest = rest.replacen(&format!("{{{name}}}"), "", 1);
            }
            assert!(!rest.contains(['{', '}']), "{path} {parameters:?}");
        }
    }
    assert_eq!(document(&Api::new("/empty"))["paths"], json!({}));
}
