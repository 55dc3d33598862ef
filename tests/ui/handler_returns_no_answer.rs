use actix_resource_server::{Api, AuthenticatedUser, get};

struct Nothing;

async fn private(_: AuthenticatedUser) -> Nothing {
    Nothing
}

fn main() {
    let _api = Api::new("/api").route("/private", get(private));
}
