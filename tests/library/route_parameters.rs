//! The parameters of challenges that depend on the route; tests of other things leave them out.

/// The challenge of a response with this status without `resource_metadata` and, in 401 responses, without `scope`.
pub(crate) fn without_route_parameters(status: u16, challenge: &str) -> String {
    let challenge = without(challenge, "resource_metadata");
    if status == 401 {
        without(&challenge, "scope")
    } else {
        challenge
    }
}

fn without(challenge: &str, name: &str) -> String {
    let parameter = format!("{name}=\"");
    let mut rest = challenge.to_owned();
    while let Some(start) = rest.find(&parameter) {
        let value = start + parameter.len();
        let end = value + rest[value..].find('"').expect("a closing quotation mark") + 1;
        // With the separator before it, or behind it after the name of the scheme.
        if rest[..start].ends_with(", ") {
            rest.replace_range(start - 2..end, "");
        } else {
            rest.replace_range(start..end + 2, "");
        }
    }
    rest
}
