//! rmcp as a client, unmodified: from a bare 401 to a tool, and through a step-up to another one.
#![cfg(feature = "dev-issuer")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use reqwest::redirect::Policy;
use rmcp::model::{CallToolRequestParams, CallToolResult};
use rmcp::service::{RoleClient, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::auth::{AuthClient, AuthorizationManager, AuthorizationRequest, OAuthState};
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

async fn connect(url: &str, manager: AuthorizationManager) -> Client {
    let http = AuthClient::new(reqwest::Client::new(), manager);
    let config = StreamableHttpClientTransportConfig::with_uri(url);
    ().serve(StreamableHttpClientTransport::with_client(http, config))
        .await
        .unwrap()
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
    let request = AuthorizationRequest::new(REDIRECT_URI).with_challenge(challenge);
    state.start_authorization(request).await.unwrap();
    let callback = sign_in(&state.get_authorization_url().await.unwrap()).await;
    state.handle_callback_url(&callback).await.unwrap();
    let manager = state.into_authorization_manager().unwrap();

    let client = connect(&program.url, manager).await;
    assert_eq!(client.list_all_tools().await.unwrap().len(), 3);
    assert_eq!(call(&client, "list_notes", json!({})).await.unwrap(), "");
    let rejected = call(&client, "add_note", json!({ "text": "water" }))
        .await
        .unwrap_err();
    println!("{rejected:?}");
}
