//! The JSON Schema of a configuration: published for editors, and the rules of [`super::schema_check`].
//!
//! It is derived from the types that the file is read into, so it can't differ from them. A doc comment of a key is its
//! description, and the default of a key is in it.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, json_schema};
use serde_json::{Map, Value, json};

/// The schema of `T`, draft 2020-12, with this `$id`.
pub(in crate::config) fn schema_of<T: JsonSchema>(id: &str) -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<T>().to_value();
    tidy(&mut schema);
    if let Value::Object(root) = &mut schema {
        root.insert("$id".to_owned(), json!(id));
    }
    schema
}

/// A mapping whose first key may be written alone, as a plain string.
pub(in crate::config) fn allow_short_form(schema: &mut Schema, key: &str) {
    let property = schema.pointer(&format!("/properties/{key}")).cloned().unwrap_or_default();
    let object = std::mem::replace(schema, json_schema!({}));
    *schema = json_schema!({ "anyOf": [property, object] });
}

fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(keywords) => {
            tidy_keywords(keywords);
            for (keyword, value) in keywords {
                if keyword == "default" { without_nulls(value) } else { tidy(value) }
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(tidy),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn without_nulls(default: &mut Value) {
    match default {
        Value::Object(keys) => {
            keys.retain(|_, value| !value.is_null());
            keys.values_mut().for_each(without_nulls);
        }
        Value::Array(elements) => elements.iter_mut().for_each(without_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn tidy_keywords(keywords: &mut Map<String, Value>) {
    // An absent key has no value; `null` is none that could be written.
    keywords.retain(|keyword, value| keyword != "default" || !value.is_null());
    if let Some(Value::Array(types)) = keywords.get_mut("type") {
        types.retain(|name| name != "null");
        if types.len() == 1 {
            let only = types.remove(0);
            keywords.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(forms)) = keywords.get_mut("anyOf") {
        forms.retain(|form| *form != json!({ "type": "null" }));
        if let [Value::Object(only)] = forms.as_mut_slice() {
            let only = std::mem::take(only);
            keywords.remove("anyOf");
            keywords.extend(only);
        }
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
