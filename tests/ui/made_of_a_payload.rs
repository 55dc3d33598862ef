use actix_resource_server::Verified;

fn verified(payload: Vec<u8>) -> Verified {
    Verified { payload: payload.into() }
}

fn main() {}
