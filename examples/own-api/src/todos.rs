//! The handlers. The first argument of each declares who may call it.

use actix_resource_server::utoipa::{self, IntoParams, ToSchema};
use actix_resource_server::{AuthenticatedUser, Public, Scoped, scope};
use actix_web::{HttpResponse, error, web};
use serde::{Deserialize, Serialize};

use crate::TodoSettings;
use crate::database::{Database, Error};

scope!(pub ReadTodos = "read:todos");
scope!(pub WriteTodos = "write:todos");

/// The claims that the handlers read; a token without a subject is rejected.
#[derive(Deserialize)]
pub struct Owner {
    sub: String,
}

type Reader = Scoped<ReadTodos, AuthenticatedUser<Owner>>;
type Writer = Scoped<WriteTodos, AuthenticatedUser<Owner>>;

#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct Todo {
    pub text: String,
    #[serde(default)]
    pub done: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Stored {
    pub id: i64,
    #[serde(flatten)]
    pub todo: Todo,
}

#[derive(Serialize, ToSchema)]
pub struct Status {
    todos: i64,
}

#[derive(Deserialize, IntoParams)]
pub struct Id {
    id: i64,
}

#[derive(Deserialize, IntoParams)]
pub struct Page {
    /// The last ID of the page before.
    #[serde(default)]
    after: i64,
}

pub async fn status(_: Public, database: web::Data<Database>) -> actix_web::Result<HttpResponse> {
    let count = in_database(&database, Database::count).await?;
    Ok(HttpResponse::Ok().json(Status { todos: count }))
}

pub async fn list(
    user: Reader,
    page: web::Query<Page>,
    database: web::Data<Database>,
    settings: web::Data<TodoSettings>,
) -> actix_web::Result<HttpResponse> {
    let owner = user.claims().sub.clone();
    let size = settings.page_size;
    let todos = in_database(&database, move |database| {
        database.list(&owner, page.after, size)
    });
    Ok(HttpResponse::Ok().json(todos.await?))
}

pub async fn add(
    user: Writer,
    todo: web::Json<Todo>,
    database: web::Data<Database>,
) -> actix_web::Result<HttpResponse> {
    let owner = user.claims().sub.clone();
    let stored = in_database(&database, move |database| {
        database.add(&owner, todo.into_inner())
    });
    Ok(HttpResponse::Created().json(stored.await?))
}

pub async fn read(
    user: Reader,
    id: web::Path<Id>,
    database: web::Data<Database>,
) -> actix_web::Result<HttpResponse> {
    let owner = user.claims().sub.clone();
    let todo = in_database(&database, move |database| database.read(&owner, id.id)).await?;
    Ok(HttpResponse::Ok().json(todo.ok_or_else(not_found)?))
}

pub async fn change(
    user: Writer,
    id: web::Path<Id>,
    todo: web::Json<Todo>,
    database: web::Data<Database>,
) -> actix_web::Result<HttpResponse> {
    let owner = user.claims().sub.clone();
    let changed = in_database(&database, move |database| {
        database.change(&owner, id.id, &todo)
    });
    found(changed.await?)
}

pub async fn remove(
    user: Writer,
    id: web::Path<Id>,
    database: web::Data<Database>,
) -> actix_web::Result<HttpResponse> {
    let owner = user.claims().sub.clone();
    let removed = in_database(&database, move |database| database.remove(&owner, id.id));
    found(removed.await?)
}

/// Runs a query on a thread that may wait.
async fn in_database<T: Send + 'static>(
    database: &web::Data<Database>,
    query: impl FnOnce(&Database) -> Result<T, Error> + Send + 'static,
) -> actix_web::Result<T> {
    let database = database.clone();
    let result = web::block(move || query(&database)).await?;
    result.map_err(|error| {
        // Its text is for the operator, not for callers.
        log::error!("the database failed: {error}");
        error::ErrorInternalServerError("the request failed")
    })
}

fn found(found: bool) -> actix_web::Result<HttpResponse> {
    if found {
        Ok(HttpResponse::NoContent().finish())
    } else {
        Err(not_found())
    }
}

/// The response for an unknown ID, and for the todo of another owner.
fn not_found() -> actix_web::Error {
    error::ErrorNotFound("there is no such thing to do")
}
