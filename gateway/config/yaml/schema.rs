//! The JSON Schema of the configuration: published for editors, and what [`super::schema_check`] checks by.
//!
//! Derived from the document's types, so that it can't differ from what is read.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::config::document::Document;

/// The schema as published in `config/schema.json`: draft 2020-12, indented.
#[must_use]
pub fn schema() -> String {
    let mut text = serde_json::to_string_pretty(&value()).unwrap_or_default();
    text.push('\n');
    text
}

/// The schema as a value.
pub(in crate::config) fn value() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<Document>().to_value();
    tidy(&mut schema);
    if let Value::Object(root) = &mut schema {
        root.insert("$id".to_owned(), json!("urn:batchgate:configuration"));
    }
    schema
}

fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(keywords) => {
            tidy_keywords(keywords);
            keywords
                .iter_mut()
                .filter(|(keyword, _)| *keyword != "default")
                .for_each(|(_, value)| tidy(value));
        }
        Value::Array(elements) => elements.iter_mut().for_each(tidy),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn tidy_keywords(keywords: &mut Map<String, Value>) {
    // An absent key has no value; `null` is none that could be written.
    if keywords.get("default") == Some(&Value::Null) {
        keywords.remove("default");
    }
    // `uint64` and the like say how Rust holds a number.
    if keywords.get("type") == Some(&json!("integer")) {
        keywords.remove("format");
    }
    // A required key has no default, even where the type that holds it has one.
    if let Some(Value::Array(required)) = keywords.get("required").cloned()
        && let Some(Value::Object(properties)) = keywords.get_mut("properties")
    {
        for name in required.iter().filter_map(Value::as_str) {
            if let Some(Value::Object(property)) = properties.get_mut(name) {
                property.remove("default");
            }
        }
    }
    // `${NAME}` is text until the gateway reads the environment.
    if let Some(scalar) =
        ["integer", "boolean"].into_iter().find(|scalar| keywords.get("type") == Some(&json!(scalar)))
    {
        keywords.insert("type".to_owned(), json!([scalar, "string"]));
        keywords.insert("pattern".to_owned(), json!(r"\$\{"));
    }
}
