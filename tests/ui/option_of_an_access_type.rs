use actix_resource_server::{Api, AuthenticatedUser, ProtectedRoute, get};
use actix_web::{App, web};

async fn greet(user: Option<AuthenticatedUser>) -> String {
    user.map(|user| user.subject().unwrap_or_default().to_owned()).unwrap_or_default()
}

fn main() {
    let _app = App::new().route("/greeting", web::get().protected(greet));
    let _api = Api::new("/api").route("/greeting", get(greet));
}
