//! The MCP server: an Actix handler that checks a message and hands it to rmcp's streamable HTTP service.

use std::convert::Infallible;
use std::sync::Arc;

use actix_resource_server::{Access, Caller, Identified};
use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Data, Payload};
use actix_web::{Error, HttpRequest, HttpResponse, error};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyDataStream, Full};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, Implementation, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::{RequestContext, RoleServer};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, ServerHandler};

use crate::McpSettings;
use crate::message::{Message, MessageError};
use crate::notes::{Notes, NotesUser, tools};
use crate::tools::Tools;

/// Far more than a message of this server needs, in bytes.
const MAX_BODY_LENGTH: usize = 1024 * 1024;

/// The request headers that rmcp reads, beside those whose names begin with `mcp-`. Credentials stay here.
const PASSED_ON: [&str; 5] = ["accept", "content-type", "host", "last-event-id", "origin"];

pub struct McpServer {
    tools: Arc<Tools<Arc<Notes>>>,
    rmcp: StreamableHttpService<ToolServer, NeverSessionManager>,
}

impl McpServer {
    /// A server without sessions: each request is authorized by its own token, and no state is reached by an ID.
    ///
    /// # Panics
    /// A tool requires a scope that [`NotesUser`] does not declare.
    pub fn new(settings: &McpSettings) -> Self {
        let tools = Arc::new(tools());
        check_declared(&tools);
        let server = ToolServer(tools.clone());
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(false)
            .with_json_response(true)
            .with_allowed_hosts(&settings.allowed_hosts)
            .with_allowed_origins(&settings.allowed_origins)
            .enforce_origin_validation();
        let rmcp = StreamableHttpService::new(move || Ok(server.clone()), Arc::default(), config);
        Self { tools, rmcp }
    }
}

/// The scopes of the endpoint are those that its metadata and the development issuer know.
///
/// # Panics
/// A tool requires another one.
fn check_declared<S: Clone + 'static>(tools: &Tools<S>) {
    let declared = NotesUser::requirement().scopes.concat();
    for (name, requirement) in tools.requirements() {
        for scope in requirement.scopes.concat() {
            assert!(
                declared.contains(&scope),
                "{name}: the endpoint does not declare {scope}"
            );
        }
    }
}

/// Answers one message. A call of a tool is rejected with 403 and the scopes of that tool before rmcp sees it.
pub async fn mcp(
    user: NotesUser,
    request: HttpRequest,
    body: Payload,
    server: Data<McpServer>,
) -> Result<HttpResponse, Error> {
    let body = body.to_bytes_limited(MAX_BODY_LENGTH).await;
    let message = Message::parse(&body.map_err(|_| MessageError::TooLarge)??)?;
    if let Some(tool) = message.called_tool() {
        server.tools.check(tool, &request).await?;
    }
    let request = bridged(&request, user.caller().clone(), message)?;
    Ok(response(server.rmcp.handle(request).await))
}

/// The request of another version of the `http` crate, with the caller in its extensions.
fn bridged(
    request: &HttpRequest,
    caller: Caller,
    message: Message,
) -> Result<http::Request<Full<Bytes>>, Error> {
    let mut bridged = http::Request::post(request.uri().to_string());
    for (name, value) in request.headers() {
        let name_text = name.as_str();
        if PASSED_ON.contains(&name_text) || name_text.starts_with("mcp-") {
            bridged = bridged.header(name_text, value.as_bytes());
        }
    }
    let bridged = bridged.extension(caller).body(message.into_body());
    bridged.map_err(error::ErrorBadRequest)
}

fn response(response: http::Response<BoxBody<Bytes, Infallible>>) -> HttpResponse {
    let (parts, body) = response.into_parts();
    let status = StatusCode::from_u16(parts.status.as_u16());
    let mut response = HttpResponse::build(status.unwrap_or(StatusCode::BAD_GATEWAY));
    for (name, value) in &parts.headers {
        response.append_header((name.as_str(), value.as_bytes()));
    }
    response.streaming(BodyDataStream::new(body))
}

/// What rmcp calls.
#[derive(Clone)]
struct ToolServer(Arc<Tools<Arc<Notes>>>);

impl ServerHandler for ToolServer {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("notes", env!("CARGO_PKG_VERSION")))
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.0.list()))
    }

    async fn call_tool(
        &self,
        call: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let parts = context.extensions.get::<http::request::Parts>();
        let caller = parts.and_then(|parts| parts.extensions.get::<Caller>());
        let caller = caller.ok_or_else(|| ErrorData::internal_error("no caller", None))?;
        let arguments = call.arguments.unwrap_or_default();
        let result = self.0.call(&call.name, caller.clone(), arguments).await?;
        Ok(result.into())
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.0.get(name)
    }
}
