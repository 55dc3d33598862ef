use actix_resource_server::{StepUp, step_up};

step_up!(Blank = acr "gold silver");
step_up!(EmptyList = acr []);
step_up!(EmptyText = amr ["mfa", ""]);
step_up!(Never = max_age 0 seconds);
step_up!(NoUnit = max_age 300);
step_up!(OtherUnit = max_age 5 moments);
step_up!(Quoted = acr ["a\"b"]);
step_up!(Unknown = loa "4");

struct ReadMessages;

fn transfer(_: StepUp<ReadMessages>) {}

fn main() {}
