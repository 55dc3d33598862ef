use actix_resource_server::{Claim, KnownUser, MaybeUser, Public, Scoped, scope};

scope!(ReadMessages = "read:messages");

fn inbox(_: Scoped<ReadMessages, MaybeUser>) {}

fn profile(_: Claim<KnownUser, MaybeUser>) {}

fn anybody(_: MaybeUser<Public>) {}

fn main() {}
