use actix_resource_server::{Api, Public, Service, get};

async fn public(_: Public) -> &'static str {
    ""
}

fn api() -> Api {
    Api::new("/api").route("/public", get(public))
}

fn main() {
    let _ = Service::new(api());
}
