use actix_resource_server::{Api, AuthenticatedUser, get};
use actix_web::App;

async fn private(_: AuthenticatedUser) -> &'static str {
    "private"
}

fn main() {
    let _app = App::new().service(Api::new("/api").route("/private", get(private)));
}
