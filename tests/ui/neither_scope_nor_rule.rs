use actix_resource_server::{Claim, Delegated, Scoped};

struct ReadMessages;

struct EmailVerified;

struct Assistant;

fn inbox(_: Scoped<ReadMessages>) {}

fn outbox(_: Scoped<(ReadMessages, ReadMessages)>) {}

fn profile(_: Claim<EmailVerified>) {}

fn plan(_: Delegated<Assistant>) {}

fn main() {}
