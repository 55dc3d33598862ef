use std::sync::Arc;

use actix_resource_server::{Caller, MaybeUser, Public, Verified};

fn anonymous() -> MaybeUser {
    MaybeUser(None)
}

fn open() -> Public {
    Public(())
}

fn caller(verified: Arc<Verified>) -> Caller {
    Caller::new(verified, unimplemented!(), unimplemented!(), unimplemented!())
}

fn main() {}
