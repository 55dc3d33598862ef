use std::marker::PhantomData;
use std::sync::Arc;

use actix_resource_server::{
    AuthenticatedUser, Caller, Claim, Direct, KnownUser, NoClaims, Scoped, StepUp, Verified, scope,
    step_up,
};

scope!(ReadMessages = "read:messages");
step_up!(Recently = max_age 5 minutes);

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

fn recent(user: AuthenticatedUser) -> StepUp<Recently> {
    StepUp {
        access: user,
        level: PhantomData,
    }
}

fn direct(user: AuthenticatedUser) -> Direct {
    Direct { access: user }
}

fn main() {}
