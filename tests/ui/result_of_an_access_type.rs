use actix_resource_server::{Api, AuthenticatedUser, Rejection, delete, protected};

async fn remove(_: Result<AuthenticatedUser, Rejection>) -> &'static str {
    "gone"
}

fn main() {
    let _handler = protected(remove);
    let _api = Api::new("/api").route("/messages", delete(remove));
}
