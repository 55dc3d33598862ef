use actix_resource_server::{
    AnyActor, Claim, Delegated, Direct, KnownUser, MaybeUser, Public, Scoped, StepUp, scope, step_up,
};

scope!(ReadMessages = "read:messages");
step_up!(Recently = max_age 5 minutes);

fn inbox(_: Scoped<ReadMessages, MaybeUser>) {}

fn profile(_: Claim<KnownUser, MaybeUser>) {}

fn open(_: MaybeUser<Public>) {}

fn transfer(_: StepUp<Recently, MaybeUser>) {}

fn plan(_: Delegated<AnyActor, MaybeUser>) {}

fn close(_: Direct<MaybeUser>) {}

fn main() {}
