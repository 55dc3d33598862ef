use actix_resource_server::{Api, Service};
use actix_web::middleware::Logger;

fn main() {
    let _ = Service::new(|| Api::new("/api")).wrap(Logger::default());
}
