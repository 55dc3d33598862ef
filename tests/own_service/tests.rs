//! Tests of the program as its users run it.

use std::net::SocketAddr;
use std::process::Command;

use actix_resource_server::Algorithm;
use actix_resource_server::test_kit::TestIssuer;
use serde_json::Value;

use crate::app::{Launch, TestApp};
use crate::audited::{
    a_decision_is_logged_however_the_request_ends, every_decision_has_its_reason_and_its_caller,
};
use crate::one_change::{
    a_wider_scope_is_known_where_tokens_are_requested_for_tests,
    everything_follows_the_signature_of_a_handler,
};
use crate::process::Ended;
use crate::wire::Request;

/// Every test: there is no harness that finds them.
pub(crate) const ALL: [(&str, fn()); 20] = [
    (
        "the_development_issuer_serves_its_table",
        the_development_issuer_serves_its_table,
    ),
    ("both_tables_are_served", both_tables_are_served),
    ("routes_lists_both_tables", routes_lists_both_tables),
    (
        "explain_decides_for_its_routes",
        explain_decides_for_its_routes,
    ),
    ("check_lists_its_settings", check_lists_its_settings),
    (
        "its_settings_come_from_every_layer",
        its_settings_come_from_every_layer,
    ),
    ("a_wrong_setting_is_one_line", a_wrong_setting_is_one_line),
    (
        "a_misspelt_variable_is_reported",
        a_misspelt_variable_is_reported,
    ),
    (
        "a_state_that_fails_ends_the_start",
        a_state_that_fails_ends_the_start,
    ),
    (
        "a_row_of_two_tables_ends_the_start",
        a_row_of_two_tables_ends_the_start,
    ),
    (
        "a_row_at_the_path_of_logout_tokens_ends_the_start",
        a_row_at_the_path_of_logout_tokens_ends_the_start,
    ),
    (
        "its_end_follows_a_start_that_fails_after_the_state",
        its_end_follows_a_start_that_fails_after_the_state,
    ),
    ("a_panic_is_a_500", a_panic_is_a_500),
    (
        "its_end_comes_after_the_last_response",
        its_end_comes_after_the_last_response,
    ),
    (
        "its_commands_stand_beside_the_others",
        its_commands_stand_beside_the_others,
    ),
    ("its_log_may_be_detailed", its_log_may_be_detailed),
    (
        "everything_follows_the_signature_of_a_handler",
        everything_follows_the_signature_of_a_handler,
    ),
    (
        "every_decision_has_its_reason_and_its_caller",
        every_decision_has_its_reason_and_its_caller,
    ),
    (
        "a_decision_is_logged_however_the_request_ends",
        a_decision_is_logged_however_the_request_ends,
    ),
    (
        "a_wider_scope_is_known_where_tokens_are_requested_for_tests",
        a_wider_scope_is_known_where_tokens_are_requested_for_tests,
    ),
];

fn launch() -> Launch {
    bare().variable("APP__TODO__DATABASE", "todos.db")
}

/// Without the setting that has no default.
fn bare() -> Launch {
    let command = Command::new(std::env::current_exe().unwrap());
    Launch::of(command).variable("OWN_SERVICE", "1")
}

fn trusting(issuer: &TestIssuer) -> Launch {
    launch()
        .variable("ISSUER_BASE_URL", issuer.url())
        .variable("AUDIENCE", issuer.audience())
}

fn issuer() -> TestIssuer {
    TestIssuer::start_with(Algorithm::Es256)
}

fn json(ended: &Ended) -> Value {
    serde_json::from_str(&ended.output).unwrap_or_else(|_| panic!("{ended:?}"))
}

fn both_tables_are_served() {
    let issuer = issuer();
    let app = TestApp::ready(trusting(&issuer));
    let token = issuer.token().build();
    let answer = app.send(&Request::get("/todos/garden").bearer(&token));
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, "garden of todos.db, 10 a page");
    assert_eq!(answer.header("x-own"), Some("yes"));
    let answer = app.get("/todos/garden");
    assert_eq!(answer.status, 401);
    assert_eq!(answer.header("x-own"), Some("yes"));
    let post = Request::new("POST", "/todos/garden").body("text/plain", "weed");
    assert_eq!(app.send(&post.bearer(&token)).status, 403);
    let token = issuer.token().scope("write:todos").build();
    let post = Request::new("POST", "/todos/garden").body("text/plain", "weed");
    assert_eq!(app.send(&post.bearer(&token)).body, "weed");
    assert_eq!(app.get("/plain").body, "todos.db");
    assert_eq!(app.get("/early").body, "early");
    assert_eq!(app.get("/todos/garden/count").body, "2");
    let elsewhere = app.get("/elsewhere");
    assert_eq!((elsewhere.status, &elsewhere.body[..]), (404, "not_found"));
    assert_eq!(app.get("/livez").status, 200);
}

fn routes_lists_both_tables() {
    let ended = launch().arguments(&["routes", "--json"]).run();
    let routes = json(&ended);
    let paths: Vec<_> = routes.as_array().unwrap().iter().collect();
    let paths: Vec<_> = paths.iter().map(|route| route["path"].as_str()).collect();
    let expected = [
        "/todos/{list}",
        "/todos/{list}",
        "/status/panic",
        "/todos/{list}/count",
        "/livez",
        "/readyz",
        "/metrics",
    ];
    assert_eq!(paths, expected.map(Some));
    assert_eq!(routes[1]["scopes"], serde_json::json!([["write:todos"]]));
}

fn explain_decides_for_its_routes() {
    let issuer = issuer();
    let token = issuer.token().scope("read:todos").build();
    for (route, code, verdict) in [
        ("GET /todos/{list}", 0, "ACCEPTED"),
        ("POST /todos/{list}", 1, "REJECTED"),
    ] {
        let ended = trusting(&issuer)
            .arguments(&["explain", &token, "--route", route])
            .run();
        assert_eq!(ended.code, Some(code), "{ended:?}");
        assert!(ended.output.starts_with(verdict), "{ended:?}");
    }
}

fn the_development_issuer_serves_its_table() {
    let app = launch().serve();
    app.wait_for(200, &Request::get("/readyz"));
    let url = app.dev_issuer();
    let port = url.trim_end_matches('/').rsplit(':').next().unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], port.parse().unwrap()));
    let ask = |request: Request| request.send(address).json();
    let document = ask(Request::get("/.well-known/openid-configuration"));
    let scopes = [
        "openid",
        "profile",
        "email",
        "offline_access",
        "write:todos",
    ];
    assert_eq!(document["scopes_supported"], serde_json::json!(scopes));
    for client in ["demo", "demo-read", "demo-read-write"] {
        let form = format!(
            "grant_type=client_credentials&client_id={client}&client_secret=x&scope=write:todos"
        );
        let form_type = "application/x-www-form-urlencoded";
        let answer = ask(Request::new("POST", "/oauth/token").body(form_type, &form));
        assert_eq!(answer["scope"], "write:todos", "{answer}");
        let token = answer["access_token"].as_str().unwrap();
        let post = Request::new("POST", "/todos/garden").body("text/plain", "weed");
        assert_eq!(app.send(&post.bearer(token)).body, "weed");
    }
    let data = ask(Request::get("/test_view.json"));
    assert_eq!(
        data["users"][0]["scopes"],
        serde_json::json!(["write:todos"])
    );
    assert_eq!(data["api"]["routes"][1]["method"], "POST");
    assert_eq!(data["api"]["routes"][1]["path"], "/todos/{list}");
    let token = launch()
        .variable("APP__DEV_ISSUER__PORT", port)
        .arguments(&["token", "--scope", "write:todos"])
        .run();
    assert_eq!(token.code, Some(0), "{token:?}");
    let post = Request::new("POST", "/todos/garden").body("text/plain", "weed");
    assert_eq!(app.send(&post.bearer(token.output.trim())).status, 200);
}

fn check_lists_its_settings() {
    let issuer = issuer();
    let file = "[todo]\npage_size = 20\npassword = \"hush\"\n[todo.limits]\ntodos = 5\n";
    let ended = trusting(&issuer)
        .variable("APP__TODO__DATABASE", "postgres://me:hush@db/todos")
        .variable("APP__TODO__TAGS", "home, work")
        .variable("APP__TODO__LIMITS__STRICT", "False")
        .file("Settings.toml", file)
        .arguments(&["check", "--json"])
        .run();
    let report = json(&ended);
    let settings = report["settings"].as_array().unwrap();
    let mut shown: Vec<_> = settings
        .iter()
        .filter(|setting| setting["key"].as_str().unwrap().starts_with("todo."))
        .map(|setting| ["key", "value", "layer"].map(|name| setting[name].as_str().unwrap_or("-")))
        .collect();
    shown.sort_unstable();
    let file = "file Settings.toml";
    let expected = [
        [
            "todo.database",
            "(not shown)",
            "variable APP__TODO__DATABASE",
        ],
        [
            "todo.limits.strict",
            "false",
            "variable APP__TODO__LIMITS__STRICT",
        ],
        ["todo.limits.todos", "5", file],
        ["todo.page_size", "20", file],
        ["todo.password", "(not shown)", file],
        ["todo.tags", "home, work", "variable APP__TODO__TAGS"],
    ];
    assert_eq!(shown, expected, "{ended:?}");
    assert!(!ended.output.contains("hush"), "{ended:?}");
}

fn its_settings_come_from_every_layer() {
    let issuer = issuer();
    let app = trusting(&issuer)
        .file(
            "Settings.toml",
            "[todo]\ndatabase = \"a.db\"\npage_size = 20\n",
        )
        .file("name", " b.db \n")
        .variable("APP__TODO__DATABASE", "")
        .variable("APP__TODO__DATABASE_FILE", "name")
        .variable("APP__TODO__PAGE_SIZE", "30");
    let app = TestApp::ready(app);
    let token = issuer.token().build();
    let answer = app.send(&Request::get("/todos/x").bearer(&token));
    assert_eq!(answer.body, "x of b.db, 30 a page");
}

fn a_wrong_setting_is_one_line() {
    let cases = [
        (
            bare(),
            "todo.database is missing: set it in the file, or as the variable APP__TODO__DATABASE",
        ),
        (
            launch().variable("APP__TODO__PAGE_SIZE", "hush"),
            "todo.page_size (variable APP__TODO__PAGE_SIZE): must be a whole number from 0 to 65535",
        ),
        (
            launch().variable("APP__TODO__PAGE_SIZE", "70000"),
            "todo.page_size (variable APP__TODO__PAGE_SIZE): must be a whole number from 0 to 65535",
        ),
        (
            launch().variable("APP__TODO__LIMITS__STRICT", "hush"),
            "todo.limits.strict (variable APP__TODO__LIMITS__STRICT): must be true or false",
        ),
        (
            launch().variable("APP__TODO__DATABSE", "hush"),
            "todo.databse (variable APP__TODO__DATABSE): is not a known key; did you mean database? known here: \
             database, page_size, tags, password, limits",
        ),
        (
            launch().variable("APP__TODO__LIMITS__TODO", "hush"),
            "todo.limits.todo (variable APP__TODO__LIMITS__TODO): is not a known key; did you mean todos? known here: \
             todos, strict",
        ),
        (
            launch().variable("APP__TODOS__DATABASE", "hush"),
            "todos (variable APP__TODOS__DATABASE): is not a known key; did you mean todo? known here: server, operations, \
             resource, cors, auth, revocation, decision, routes, dev_issuer, openapi, reload, log, todo",
        ),
        (
            launch().variable("APP__TODO__TAGS", "[home, work]"),
            "todo.tags (variable APP__TODO__TAGS): has brackets around its value: write the parts with commas alone",
        ),
        (
            launch().variable("APP__TODO__DATABASE", "'hush'"),
            "todo.database (variable APP__TODO__DATABASE): has quotation marks around its value: remove them",
        ),
        (
            bare().file("Settings.toml", "todo = 1"),
            "todo (file Settings.toml): is a section: set its keys one by one",
        ),
    ];
    for (launch, message) in cases {
        let ended = launch.run();
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert_eq!(ended.log, format!("todos: {message}\n"));
    }
}

fn a_misspelt_variable_is_reported() {
    let ended = bare().variable("APP_TODO_DATABASE", "hush").run();
    assert_eq!(
        ended.log,
        "todos: todo.database is missing: set it in the file, or as the variable APP__TODO__DATABASE \
         (variable APP_TODO_DATABASE: is not read; did you mean APP__TODO__DATABASE?)\n"
    );
}

fn a_state_that_fails_ends_the_start() {
    let launch = launch().variables(&[("APP__TODO__DATABASE", "unreachable"), ("RUST_LOG", "off")]);
    let ended = launch
        .variables(&[("PORT", "0"), ("APP__DEV_ISSUER__PORT", "0")])
        .run();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(
        ended.log,
        "todos: the state of the program cannot be made: connection refused\n"
    );
}

fn a_row_of_two_tables_ends_the_start() {
    let ended = launch()
        .variables(&[("DUPLICATE", "1"), ("RUST_LOG", "off")])
        .variables(&[("PORT", "0"), ("APP__DEV_ISSUER__PORT", "0")])
        .run();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(ended.log.lines().count(), 1, "{ended:?}");
    let message = ended
        .log
        .strip_prefix("todos: GET /todos/{id}, declared at ");
    let (place, rest) = message.unwrap().split_once(", is not reached: ").unwrap();
    assert!(
        place.starts_with("tests/own_service/program.rs:"),
        "{place}"
    );
    let instead = "the route declared at tests/own_service/program.rs:";
    assert!(rest.starts_with(instead), "{rest}");
}

fn a_row_at_the_path_of_logout_tokens_ends_the_start() {
    let issuer = issuer();
    let launch = trusting(&issuer).variables(&[
        ("APP__AUTH__MAX_TOKEN_AGE", "1h"),
        ("APP__AUTH__EVENT_AUDIENCE", "client"),
        ("APP__REVOCATION__ENABLED", "true"),
        ("APP__REVOCATION__LOGOUT_PATH", "/todos/logout"),
        ("PORT", "0"),
    ]);
    let ended = launch.run();
    assert_eq!(ended.code, Some(2), "{ended:?}");
    let line = "/todos/logout is the path of a route of the service, and of one for revocations: set \
                revocation.logout_path, revocation.events_path or operations.port, or name the route otherwise\n";
    assert!(ended.log.ends_with(line), "{ended:?}");
}

fn its_end_follows_a_start_that_fails_after_the_state() {
    let ended = launch()
        .variables(&[
            ("ISSUER_BASE_URL", "http://127.0.0.1:9/"),
            ("AUDIENCE", "api"),
        ])
        .variables(&[
            ("APP__AUTH__STARTUP", "require"),
            ("APP__AUTH__STARTUP_TIMEOUT", "10ms"),
        ])
        .variable("PORT", "0")
        .run();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(ended.output, "the first end\nclosed after 0 queries\n");
}

fn a_panic_is_a_500() {
    for format in ["text", "json"] {
        let origin = "https://app.test";
        let mut app = launch()
            .variables(&[
                ("APP__LOG__FORMAT", format),
                ("APP__CORS__ALLOWED_ORIGINS", origin),
            ])
            .serve();
        app.process.may_panic = true;
        let answer = app.send(&Request::get("/status/panic").header("Origin", origin));
        assert_eq!(answer.status, 500);
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
        assert_eq!(
            answer.json(),
            serde_json::json!({
                "type": "about:blank",
                "title": "Internal Server Error",
                "status": 500,
                "detail": "The service failed to answer this request.",
            })
        );
        let plain = app.get("/panic");
        assert_eq!((plain.status, plain.body), (500, answer.body));
        app.wait_for_log("program.rs");
        assert_eq!(app.get("/plain").status, 200);
        for (route, status) in [("/status/panic", "5xx"), ("none", "5xx"), ("none", "2xx")] {
            let labels = format!("route=\"{route}\",method=\"GET\",status=\"{status}\"");
            let name = format!("ars_http_requests_total{{{labels}}}");
            assert_eq!(app.metric(&name), 1, "{name}");
        }
        if format == "json" {
            let log = app.log().text();
            assert!(log.lines().all(|line| line.starts_with('{')), "{log}");
        }
    }
}

fn its_end_comes_after_the_last_response() {
    let issuer = issuer();
    let app = TestApp::ready(trusting(&issuer));
    let token = issuer.token().build();
    for _ in 0..3 {
        app.send(&Request::get("/todos/x").bearer(&token));
    }
    app.signal("TERM");
    let ended = app.wait();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.output, "the first end\nclosed after 3 queries\n");
}

fn its_commands_stand_beside_the_others() {
    let ended = launch().arguments(&["migrate"]).run();
    assert_eq!(
        (ended.code, ended.output.as_str()),
        (Some(0), "tables created in todos.db\n")
    );
    let ended = launch().arguments(&["migrate", "--fail"]).run();
    assert_eq!(
        (ended.code, ended.log.as_str()),
        (Some(1), "todos: no tables\n")
    );
    let ended = bare().arguments(&["migrate"]).run();
    assert_eq!(ended.code, Some(2), "{ended:?}");
    let help = launch().arguments(&["--help"]).run().output;
    for part in [
        "Lists of things to do",
        "Usage: todos",
        "migrate",
        "Creates the tables",
        "explain",
    ] {
        assert!(help.contains(part), "{part}: {help}");
    }
    assert!(!help.contains("  new "), "{help}");
    let version = launch().arguments(&["--version"]).run().output;
    assert_eq!(version, "todos 7.8.9\n");
    let unknown = launch().arguments(&["migrat"]).run();
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
}

fn its_log_may_be_detailed() {
    let issuer = issuer();
    let app = TestApp::ready(trusting(&issuer).variable("RUST_LOG", "debug"));
    let token = issuer.token().build();
    app.send(&Request::get("/todos/x").bearer(&token));
    app.wait_for_log("query 0");
    assert!(!app.log().text().contains(&token));
}
