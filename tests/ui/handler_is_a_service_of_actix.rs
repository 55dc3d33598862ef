use actix_resource_server::{Api, AuthenticatedUser, ProtectedRoute, get, protected};
use actix_web::{App, web};

#[actix_web::get("/private")]
async fn private(user: AuthenticatedUser) -> String {
    user.subject().unwrap_or_default().to_owned()
}

fn main() {
    let _handler = protected(private);
    let _app = App::new().route("/private", web::post().protected(private));
    let _api = Api::new("/api").route("/private", get(private));
}
