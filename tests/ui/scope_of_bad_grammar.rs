use actix_resource_server::scope;

scope!(Blank = "read messages");
scope!(Empty = "");
scope!(Quoted = "read\"messages");
scope!(Tab = "read\tmessages");
scope!(Umlaut = "lesen:über");

fn main() {}
