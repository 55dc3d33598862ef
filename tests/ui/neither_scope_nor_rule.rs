use actix_resource_server::{Claim, Scoped};

struct ReadMessages;

struct EmailVerified;

fn inbox(_: Scoped<ReadMessages>) {}

fn outbox(_: Scoped<(ReadMessages, ReadMessages)>) {}

fn profile(_: Claim<EmailVerified>) {}

fn main() {}
