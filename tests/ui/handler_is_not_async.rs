use actix_resource_server::{Api, AuthenticatedUser, patch, protected};

fn private(user: AuthenticatedUser) -> String {
    user.subject().unwrap_or_default().to_owned()
}

fn main() {
    let _handler = protected(private);
    let _api = Api::new("/api").route("/private", patch(private));
}
