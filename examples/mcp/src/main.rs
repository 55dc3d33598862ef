//! An MCP server: tools behind access types, with the development issuer beside it.

mod message;
mod notes;
mod server;
#[cfg(all(test, feature = "dev-issuer"))]
mod tests;
mod tools;

use std::convert::Infallible;
use std::process::ExitCode;

use actix_resource_server::{Api, Service, post};
use serde::{Deserialize, Serialize};

use server::McpServer;

/// The section `[mcp]` of Settings.toml.
#[derive(Deserialize, Serialize)]
#[serde(default)]
struct McpSettings {
    /// The hosts that requests may name, with or without a port.
    allowed_hosts: Vec<String>,
    /// The origins of the pages that may send requests; `:*` is any port.
    allowed_origins: Vec<String>,
}

impl Default for McpSettings {
    fn default() -> Self {
        let hosts = ["localhost", "127.0.0.1", "[::1]"];
        Self {
            allowed_hosts: hosts.map(str::to_owned).into(),
            allowed_origins: hosts.map(|host| format!("http://{host}:*")).into(),
        }
    }
}

fn api() -> Api {
    Api::new("/mcp").route("", post(server::mcp).summary("a message of an MCP client"))
}

fn main() -> ExitCode {
    Service::new(api)
        .settings::<McpSettings>("mcp")
        .state(async |context| Ok::<_, Infallible>(McpServer::new(context.settings())))
        .run()
}
