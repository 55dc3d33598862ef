use actix_resource_server::{
    AuthenticatedUser, Caller, Claim, KnownUser, MaybeUser, Public, Scoped, Verified, scope,
};

scope!(ReadMessages = "read:messages");

fn made<T: Default>() {}

fn main() {
    made::<Verified>();
    made::<Caller>();
    made::<AuthenticatedUser>();
    made::<Scoped<ReadMessages>>();
    made::<Claim<KnownUser>>();
    made::<MaybeUser>();
    made::<Public>();
}
