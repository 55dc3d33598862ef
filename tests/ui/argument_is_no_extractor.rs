use actix_resource_server::{Api, AuthenticatedUser, get};

struct Nothing;

async fn private(_: AuthenticatedUser, _: Nothing) -> &'static str {
    "private"
}

fn main() {
    let _api = Api::new("/api").route("/private", get(private));
}
