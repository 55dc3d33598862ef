//! The schemas of a document, by name.

use std::collections::BTreeMap;

use utoipa::openapi::{Content, Ref, RefOr, Schema};

use super::described::Body;

/// The schemas that operations refer to.
#[derive(Default)]
pub(super) struct Schemas(pub(super) BTreeMap<String, RefOr<Schema>>);

impl Schemas {
    /// The content of a body; the schema of a type with a name of its own is shared.
    pub(super) fn content(&mut self, body: Body) -> Content {
        let mut nested = Vec::new();
        (body.schema.add_nested)(&mut nested);
        for (name, schema) in nested {
            self.0.entry(name).or_insert(schema);
        }
        let schema = (body.schema.schema)();
        if !body.schema.is_named() {
            return Content::new(Some(schema));
        }
        let name = (body.schema.name)().into_owned();
        let known = self.0.entry(name.clone()).or_insert_with(|| schema.clone());
        // Of two types with one name, the second one is described where it is used.
        if *known == schema {
            Content::new(Some(Ref::from_schema_name(name)))
        } else {
            Content::new(Some(schema))
        }
    }
}
