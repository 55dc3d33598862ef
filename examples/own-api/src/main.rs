//! Lists of things to do, each its owner's: six routes, a database, settings and tests.

mod database;
#[cfg(all(test, feature = "dev-issuer"))]
mod tests;
mod todos;

use std::process::ExitCode;

use actix_resource_server::{Api, Service, delete, get, post, put};
use serde::{Deserialize, Serialize};

use database::Database;
use todos::{Id, Page, Status, Stored, Todo};

/// The section `[todo]` of Settings.toml.
#[derive(Deserialize, Serialize)]
#[serde(default)]
struct TodoSettings {
    /// The file of the database, or `:memory:`.
    database: String,
    /// How many things a page of a list has.
    page_size: u32,
}

impl Default for TodoSettings {
    fn default() -> Self {
        Self {
            database: ":memory:".to_owned(),
            page_size: 20,
        }
    }
}

fn api() -> Api {
    Api::new("/api")
        .route(
            "/status",
            get(todos::status)
                .summary("how many there are")
                .returns::<Status>(200),
        )
        .route(
            "/todos",
            get(todos::list)
                .summary("a page of the caller's")
                .query::<Page>()
                .returns::<Vec<Stored>>(200),
        )
        .route(
            "/todos",
            post(todos::add)
                .summary("adds one")
                .accepts::<Todo>()
                .returns::<Stored>(201),
        )
        .route(
            "/todos/{id}",
            get(todos::read)
                .summary("one of the caller's")
                .path::<Id>()
                .returns::<Stored>(200),
        )
        .route(
            "/todos/{id}",
            put(todos::change)
                .summary("changes one")
                .path::<Id>()
                .accepts::<Todo>()
                .returns::<()>(204),
        )
        .route(
            "/todos/{id}",
            delete(todos::remove)
                .summary("removes one")
                .path::<Id>()
                .returns::<()>(204),
        )
}

fn main() -> ExitCode {
    Service::new(api)
        .settings::<TodoSettings>("todo")
        .state(async |context| Database::open(&context.settings().database))
        .run()
}
