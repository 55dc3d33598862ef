use actix_resource_server::AuthenticatedUser;

struct MyClaims {
    email: String,
}

fn mail(user: AuthenticatedUser<MyClaims>) -> String {
    user.claims().email.clone()
}

fn main() {}
