//! rmcp as a client, unmodified: from a bare 401 to a tool, and through a step-up to another one.
#![cfg(feature = "dev-issuer")]

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use reqwest::redirect::Policy;
use rmcp::model::{CallToolRequestParams, CallToolResult};
use rmcp::service::{RoleClient, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::auth::{AuthClient, AuthorizationCallback, AuthorizationRequest, OAuthState};
use rmcp::transport::streamable_http_client::InsufficientScopeError;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ServiceError, ServiceExt};
use serde_json::{Value, json};

const REDIRECT_URI: &str = "http://127.0.0.1:47997/callback";

/// The program of this package, on free ports.
struct Program {
    child: Child,
    url: String,
}

impl Program {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_mcp"))
            .envs([
                ("PORT", "0"),
                ("APP__DEV_ISSUER__PORT", "0"),
                ("APP__LOG__FORMAT", "text"),
                ("RUST_LOG", "info"),
            ])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let mut lines = log.lines().map(Result::unwrap);
        let url =
            lines.find_map(|line| Some(line.split_once("listening on ")?.1.trim().to_owned()));
        std::thread::spawn(move || lines.for_each(drop));
        let origin = url.expect("the program listens");
        Self {
            child,
            url: format!("{}/mcp", origin.trim_end_matches('/')),
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Signs in at the development issuer; returns the URL that leads back to the client.
async fn sign_in(authorization_url: &str) -> String {
    let browser = reqwest::Client::builder()
        .redirect(Policy::none())
        .build()
        .unwrap();
    let page = browser.get(authorization_url).send().await.unwrap();
    let cookie = page.headers()["set-cookie"]
        .to_str()
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let html = page.text().await.unwrap();
    let between = |before: &str| {
        html.split_once(before)
            .unwrap()
            .1
            .split_once('"')
            .unwrap()
            .0
            .replace("&amp;", "&")
    };
    let issuer = url::Url::parse(authorization_url).unwrap();
    let action = issuer.join(&between("action=\"")).unwrap();
    let form = [
        ("form", between("name=\"form\" value=\"")),
        ("person", "administrator".to_owned()),
    ];
    let response = browser
        .post(action)
        .header("cookie", cookie)
        .form(&form)
        .send()
        .await
        .unwrap();
    response.headers()["location"].to_str().unwrap().to_owned()
}

type Client = RunningService<RoleClient, ()>;
type Http = AuthClient<reqwest::Client>;

async fn connect(url: &str, http: &Http) -> Client {
    let config = StreamableHttpClientTransportConfig::with_uri(url);
    let transport = StreamableHttpClientTransport::with_client(http.clone(), config);
    ().serve(transport).await.unwrap()
}

async fn call(
    client: &Client,
    tool: &'static str,
    arguments: Value,
) -> Result<String, ServiceError> {
    let mut call = CallToolRequestParams::new(tool);
    call.arguments = arguments.as_object().cloned();
    let result: CallToolResult = client.call_tool(call).await?;
    let content = serde_json::to_value(result.content).unwrap();
    Ok(content[0]["text"].as_str().unwrap().to_owned())
}

/// The scopes that the server requires, from wherever in the error rmcp has them.
fn required_scopes(error: &(dyn Error + 'static)) -> Option<String> {
    let own = error.downcast_ref::<InsufficientScopeError>();
    let own = own.and_then(|error| error.required_scope.clone());
    own.or_else(|| required_scopes(error.source()?))
}

#[tokio::test]
async fn rmcp_signs_in_and_steps_up() {
    let program = Program::start();
    let challenged = reqwest::Client::new()
        .post(&program.url)
        .send()
        .await
        .unwrap();
    assert_eq!(challenged.status(), 401);
    let challenge = challenged.headers()["www-authenticate"]
        .to_str()
        .unwrap()
        .to_owned();

    let mut state = OAuthState::new(&program.url, None).await.unwrap();
    let request = AuthorizationRequest::new(REDIRECT_URI)
        .with_challenge(challenge)
        .with_initial_scope_selection();
    state.start_authorization(request).await.unwrap();
    let authorization_url = state.get_authorization_url().await.unwrap();
    assert!(
        authorization_url.contains("resource="),
        "{authorization_url}"
    );
    let callback = sign_in(&authorization_url).await;
    state.handle_callback_url(&callback).await.unwrap();
    let manager = state.into_authorization_manager().unwrap();
    let http = AuthClient::new(reqwest::Client::new(), manager);

    let client = connect(&program.url, &http).await;
    assert_eq!(client.list_all_tools().await.unwrap().len(), 3);
    assert_eq!(call(&client, "list_notes", json!({})).await.unwrap(), "");
    let rejected = call(&client, "add_note", json!({ "text": "water" }))
        .await
        .unwrap_err();
    let scopes = required_scopes(&rejected).unwrap();
    assert_eq!(scopes, "notes:read notes:write");

    let manager = http.auth_manager.lock().await;
    let callback = sign_in(&manager.request_scope_upgrade(&scopes).await.unwrap()).await;
    let callback = AuthorizationCallback::from_redirect_url(&callback).unwrap();
    let AuthorizationCallback {
        code,
        csrf_token,
        issuer,
        ..
    } = &callback;
    let exchanged =
        manager.exchange_code_for_token_with_issuer(code, csrf_token, issuer.as_deref());
    exchanged.await.unwrap();
    drop(manager);
    let client = connect(&program.url, &http).await;
    assert_eq!(
        call(&client, "add_note", json!({ "text": "water" }))
            .await
            .unwrap(),
        "added"
    );
    assert_eq!(
        call(&client, "list_notes", json!({})).await.unwrap(),
        "water"
    );
}
