use actix_resource_server::actor;

actor!(Assistant = client "assistant");

fn main() {}
