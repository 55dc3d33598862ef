//! An API that callers reach with access tokens: the first argument of a handler declares who may call it.

#[cfg(all(test, feature = "dev-issuer"))]
mod tests;

use std::process::ExitCode;

use actix_resource_server::utoipa::{self, ToSchema};
use actix_resource_server::{Api, AuthenticatedUser, Scoped, Service, get, scope};
use actix_web::web;
use serde::{Deserialize, Serialize};

scope!(ReadMessages = "read:messages");

/// The section `[greeting]` of Settings.toml.
#[derive(Deserialize, Serialize)]
#[serde(default)]
struct GreetingSettings {
    /// The first word of a greeting.
    word: String,
}

impl Default for GreetingSettings {
    fn default() -> Self {
        Self {
            word: "Hello".to_owned(),
        }
    }
}

/// Any valid access token.
async fn greeting(user: AuthenticatedUser, settings: web::Data<GreetingSettings>) -> String {
    let subject = user.subject().unwrap_or("client");
    format!("{}, {subject}.", settings.word)
}

#[derive(Serialize, ToSchema)]
struct Message {
    text: &'static str,
}

/// A token that grants `read:messages`.
async fn messages(_: Scoped<ReadMessages>) -> web::Json<Vec<Message>> {
    web::Json(vec![Message {
        text: "Your token grants read:messages.",
    }])
}

fn api() -> Api {
    Api::new("/api")
        .route(
            "/greeting",
            get(greeting)
                .summary("greets the caller")
                .returns::<String>(200),
        )
        .route(
            "/messages",
            get(messages)
                .summary("lists messages")
                .returns::<Vec<Message>>(200),
        )
}

fn main() -> ExitCode {
    Service::new(api)
        .name(env!("CARGO_PKG_NAME"))
        .version(env!("CARGO_PKG_VERSION"))
        .settings::<GreetingSettings>("greeting")
        .run()
}
