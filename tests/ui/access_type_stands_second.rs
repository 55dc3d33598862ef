use actix_resource_server::{Api, AuthenticatedUser, ProtectedRoute, post, protected};
use actix_web::{App, web};

async fn create(body: web::Json<Vec<u8>>, user: AuthenticatedUser) -> String {
    format!("{} bytes from {}", body.len(), user.subject().unwrap_or_default())
}

fn main() {
    let _api = Api::new("/api").route("/messages", post(create));
    let _app = App::new()
        .route("/messages", web::post().to(protected(create)))
        .route("/messages", web::put().protected(create));
}
