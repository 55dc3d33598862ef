//! Tools whose first argument declares who may call them, as that of a handler does.
//!
//! A tool is added with its handler. What the handler's access type requires is checked before the message reaches rmcp, so
//! that the response is 403 with the scopes of that tool ([`Tools::check`]); and the tool runs with nothing but an access
//! type that has granted the call ([`Tools::call`]). A handler without an access type does not compile.

use std::future::Future;
use std::pin::Pin;

use actix_resource_server::{Caller, Identified, Rejection, Requirement};
use actix_web::HttpRequest;
use rmcp::ErrorData;
use rmcp::handler::server::tool::schema_for_input;
use rmcp::model::{CallToolResult, ContentBlock, JsonObject, Tool};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The tools of a server, in the order in which they were added; handlers share the state `S`.
pub struct Tools<S> {
    state: S,
    rows: Vec<Row<S>>,
}

/// What a tool responds with: a text, or the text of an error for the model to read.
pub type Output = Result<String, String>;

type Run<S> = Box<dyn Fn(Caller, S, JsonObject) -> Result<Running, ErrorData> + Send + Sync>;
type Running = Pin<Box<dyn Future<Output = Output> + Send>>;
type Check = fn(HttpRequest) -> Pin<Box<dyn Future<Output = Result<(), Rejection>>>>;

struct Row<S> {
    tool: Tool,
    requirement: Requirement,
    check: Check,
    run: Run<S>,
}

impl<S: Clone + 'static> Tools<S> {
    pub fn new(state: S) -> Self {
        Self {
            state,
            rows: Vec::new(),
        }
    }

    /// Adds a tool: `async fn(access, state, arguments) -> Output`.
    ///
    /// # Panics
    /// The name is taken, or the arguments are no struct.
    pub fn tool<A, P, F, Fut>(
        mut self,
        name: &'static str,
        description: &'static str,
        handler: F,
    ) -> Self
    where
        A: Identified + Send,
        P: DeserializeOwned + JsonSchema + Send + 'static,
        F: Fn(A, S, P) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Output> + Send + 'static,
    {
        assert!(
            self.row(name).is_none(),
            "the tool {name} is declared twice"
        );
        let schema =
            schema_for_input::<P>().unwrap_or_else(|error| panic!("the tool {name}: {error}"));
        self.rows.push(Row {
            tool: Tool::new(name, description, schema),
            requirement: A::requirement(),
            check: |request| Box::pin(async move { A::extract(&request).await.map(drop) }),
            run: Box::new(move |caller, state, arguments| {
                let access = A::grant(Some(caller)).map_err(|_| forbidden())?;
                let arguments = serde_json::from_value(Value::Object(arguments));
                let arguments = arguments
                    .map_err(|error| ErrorData::invalid_params(error.to_string(), None))?;
                Ok(Box::pin(handler(access, state, arguments)))
            }),
        });
        self
    }

    /// Rejects a request that calls a tool whose access type does not accept the caller. A tool that does not exist requires
    /// nothing; rmcp responds to the call.
    ///
    /// # Errors
    /// The rejection of the access type, with its challenge.
    pub async fn check(&self, name: &str, request: &HttpRequest) -> Result<(), Rejection> {
        match self.row(name) {
            Some(row) => (row.check)(request.clone()).await,
            None => Ok(()),
        }
    }

    /// Runs a tool.
    ///
    /// # Errors
    /// There is no such tool, its access type does not accept the caller, or the arguments do not fit.
    pub async fn call(
        &self,
        name: &str,
        caller: Caller,
        arguments: JsonObject,
    ) -> Result<CallToolResult, ErrorData> {
        let row = self.row(name).ok_or_else(unknown_tool)?;
        let output = (row.run)(caller, self.state.clone(), arguments)?.await;
        Ok(match output {
            Ok(text) => CallToolResult::success(vec![ContentBlock::text(text)]),
            Err(text) => CallToolResult::error(vec![ContentBlock::text(text)]),
        })
    }

    /// All tools, also those that the caller lacks the scopes for: a client learns of them, and gets the scopes by a step-up.
    pub fn list(&self) -> Vec<Tool> {
        self.rows.iter().map(|row| row.tool.clone()).collect()
    }

    pub fn get(&self, name: &str) -> Option<Tool> {
        self.row(name).map(|row| row.tool.clone())
    }

    /// The names of the tools, and what they require.
    pub fn requirements(&self) -> impl Iterator<Item = (&str, &Requirement)> {
        self.rows
            .iter()
            .map(|row| (&*row.tool.name, &row.requirement))
    }

    fn row(&self, name: &str) -> Option<&Row<S>> {
        self.rows.iter().find(|row| row.tool.name == name)
    }
}

fn unknown_tool() -> ErrorData {
    ErrorData::invalid_params("unknown tool", None)
}

fn forbidden() -> ErrorData {
    ErrorData::invalid_request("the access token does not grant this tool", None)
}
