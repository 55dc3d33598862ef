use actix_resource_server::{Api, ProtectedRoute, get, protected};
use actix_web::{App, web};

async fn list() -> &'static str {
    "for whom?"
}

fn main() {
    let _handler = protected(list);
    let _app = App::new().route("/messages", web::post().protected(async || "for whom?"));
    let _api = Api::new("/api").route("/messages", get(list));
}
