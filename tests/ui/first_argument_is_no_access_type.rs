use actix_resource_server::{Api, ProtectedRoute, get, protected, put};
use actix_web::{App, web};

async fn create(body: web::Json<Vec<u8>>) -> String {
    format!("{} bytes", body.len())
}

async fn replace(body: String) -> String {
    body
}

fn main() {
    let _handler = protected(create);
    let _app = App::new().route("/messages", web::post().protected(replace));
    let _api = Api::new("/api")
        .route("/messages", put(replace))
        .route("/messages", get(create));
}
