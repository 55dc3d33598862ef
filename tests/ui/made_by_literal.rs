use std::marker::PhantomData;
use std::sync::Arc;

use actix_resource_server::{
    AuthenticatedUser, Caller, Claim, KnownUser, NoClaims, Scoped, Verified, scope,
};

scope!(ReadMessages = "read:messages");

fn caller(verified: Arc<Verified>, other: Caller) -> Caller {
    Caller { verified, ..other }
}

fn user(caller: Caller) -> AuthenticatedUser {
    AuthenticatedUser {
        caller,
        claims: &NoClaims,
    }
}

fn reader(user: AuthenticatedUser) -> Scoped<ReadMessages> {
    Scoped {
        access: user,
        scopes: PhantomData,
    }
}

fn known(user: AuthenticatedUser) -> Claim<KnownUser> {
    Claim {
        access: user,
        rule: PhantomData,
    }
}

fn main() {}
