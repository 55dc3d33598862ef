use actix_resource_server::{Api, Service};

fn main() {
    let _ = Service::new(|| Api::new("/api"))
        .state(async |_| Ok::<_, std::io::Error>(1))
        .state(async |_| Ok::<_, std::io::Error>(2));
}
