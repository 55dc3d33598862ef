//! The program.

use std::io::{Error, ErrorKind};
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_resource_server::{
    Api, AuthenticatedUser, Public, Scoped, Secret, Service, get, post, scope,
};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::DefaultHeaders;
use actix_web::{HttpResponse, web};
use clap::Subcommand;
use serde::{Deserialize, Serialize};

scope!(WriteTodos = "write:todos");

#[derive(Deserialize, Serialize)]
struct TodoSettings {
    /// Has no default.
    database: String,
    #[serde(default = "ten")]
    page_size: u16,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    password: Option<Secret>,
    #[serde(default)]
    limits: Limits,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct Limits {
    todos: u32,
    strict: bool,
}

fn ten() -> u16 {
    10
}

/// Stands for a database connection.
struct Database {
    name: String,
    queries: AtomicUsize,
}

/// Does not describe the program.
#[derive(Subcommand)]
enum Command {
    /// Creates the tables.
    Migrate {
        /// Fails instead.
        #[arg(long)]
        fail: bool,
    },
}

fn todos() -> Api {
    Api::new("/todos")
        .route("/{list}", get(list))
        .route("/{list}", post(add))
        .error_format(|error| {
            let code = error.code.unwrap_or("not_found");
            HttpResponse::build(error.status).body(code)
        })
}

fn status() -> Api {
    Api::new("/status").route("/panic", get(panics))
}

async fn list(
    _: AuthenticatedUser,
    list: web::Path<String>,
    database: web::Data<Database>,
    settings: web::Data<TodoSettings>,
) -> String {
    let queries = database.queries.fetch_add(1, Ordering::Relaxed);
    log::debug!("query {queries}");
    format!("{list} of {}, {} a page", database.name, settings.page_size)
}

async fn add(_: Scoped<WriteTodos>, todo: String) -> String {
    todo
}

async fn panics(_: Public) -> String {
    panic!("the secret of this panic")
}

async fn panics_as_a_plain_route() -> String {
    panic!("another secret")
}

/// A table with a row that the first one has, too, if the variable `DUPLICATE` is set.
fn second() -> Api {
    let api = Api::new("/todos").route("/{list}/count", get(count));
    match std::env::var_os("DUPLICATE") {
        Some(_) => api.route("/{id}", get(count)),
        None => api,
    }
}

async fn count(_: Public) -> &'static str {
    "2"
}

pub(crate) fn service() -> Service<impl Send + Sync, impl Send + Sync> {
    Service::new(todos)
        .api(status)
        .api(second)
        .name("todos")
        .version("7.8.9")
        .about("Lists of things to do")
        // What comes before the settings and the state goes without them.
        .configure(|app, _, _| {
            app.route("/early", web::get().to(|| std::future::ready("early")));
        })
        .on_shutdown(async |_| println!("the first end"))
        .settings::<TodoSettings>("todo")
        .commands(
            async |command, settings: web::Data<TodoSettings>| match command {
                Command::Migrate { fail: false } => {
                    println!("tables created in {}", settings.database);
                    Ok(())
                }
                Command::Migrate { fail: true } => Err(Error::other("no\ntables")),
            },
        )
        .state(async |context| match context.settings().database.as_str() {
            "unreachable" => Err(Error::from(ErrorKind::ConnectionRefused)),
            name => Ok(Database {
                name: name.to_owned(),
                queries: AtomicUsize::new(0),
            }),
        })
        .configure(|app, settings, _| {
            app.route("/panic", web::get().to(panics_as_a_plain_route));
            let database = settings.database.clone();
            app.route(
                "/plain",
                web::get().to(move || std::future::ready(database.clone())),
            );
        })
        .wrap(|| {
            let header = (
                HeaderName::from_static("x-own"),
                HeaderValue::from_static("yes"),
            );
            DefaultHeaders::new().add(header)
        })
        .on_shutdown(async |database| {
            let queries = database.queries.load(Ordering::Relaxed);
            println!("closed after {queries} queries");
        })
}
