//! The list of keys in `config/README.md` is generated from `config/schema.json`. With `UPDATE_GOLDEN=1` in the environment
//! this test writes it.

use std::fs;

use serde_json::{Map, Value};

use crate::documents::{read, root};

const PAGE: &str = "config/README.md";
const BEGIN: &str = "<!-- keys: begin -->\n";
const END: &str = "<!-- keys: end -->";

#[test]
fn the_list_of_keys_is_the_one_of_the_schema() {
    let page = read(&root().join(PAGE));
    let (before, rest) = page.split_once(BEGIN).expect(BEGIN);
    let (kept, after) = rest.split_once(END).expect(END);
    let generated = Keys::of(&serde_json::from_str(&read(&root().join("config/schema.json"))).unwrap());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(root().join(PAGE), format!("{before}{BEGIN}{generated}{END}{after}")).unwrap();
        return;
    }
    assert!(kept == generated, "update {PAGE}: UPDATE_GOLDEN=1 tests/run documents_keys::");
}

/// The tables of keys that are written so far.
struct Keys<'a> {
    definitions: &'a Map<String, Value>,
    tables: String,
}

impl<'a> Keys<'a> {
    /// A table for each key at the top: the key itself, and all below it.
    fn of(schema: &'a Value) -> String {
        let definitions = schema["$defs"].as_object().unwrap();
        let mut keys = Self { definitions, tables: String::new() };
        for (key, described) in schema["properties"].as_object().unwrap() {
            keys.tables.extend(["\n### `", key, "`\n\n| key | default | meaning |\n|---|---|---|\n"]);
            keys.add(key, described);
        }
        keys.tables + "\n"
    }

    /// A key's row, and the rows of those below it.
    fn add(&mut self, path: &str, described: &'a Value) {
        let shape = self.resolved(described);
        let meaning = format!("{}{}", text_of(described, shape), values_of(shape));
        self.tables.extend(["| `", path, "` | ", &default_of(described), " | ", &meaning, " |\n"]);
        self.add_below(path, shape);
    }

    fn add_below(&mut self, path: &str, shape: &'a Value) {
        let shape = self.resolved(shape);
        for (key, described) in shape["properties"].as_object().into_iter().flatten() {
            self.add(&format!("{path}.{key}"), described);
        }
        if shape["additionalProperties"].is_object() {
            self.add_below(&format!("{path}.NAME"), &shape["additionalProperties"]);
        }
        if shape["items"].is_object() {
            self.add_below(&format!("{path}[]"), &shape["items"]);
        }
        // A list or one element: the same keys, which are listed as those of the list's.
        let forms = shape["anyOf"].as_array().map(Vec::as_slice).unwrap_or_default();
        let list = forms.iter().find(|form| form["type"] == "array");
        for form in list.map_or(forms, std::slice::from_ref) {
            self.add_below(path, form);
        }
    }

    /// What a reference to a definition leads to.
    fn resolved(&self, described: &'a Value) -> &'a Value {
        let name = described["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/"));
        name.map_or(described, |name| &self.definitions[name])
    }
}

/// What a key means: its own words, or those of what it refers to.
fn text_of(described: &Value, shape: &Value) -> String {
    let text = described["description"].as_str().or(shape["description"].as_str()).unwrap_or_default();
    text.replace('\n', " ").replace('|', "\\|")
}

/// The words that a key can be.
fn values_of(shape: &Value) -> String {
    let words: Vec<_> = shape["oneOf"].as_array().into_iter().flatten().filter_map(word_of).collect();
    if words.is_empty() { String::new() } else { format!(" {}", words.join(" ")) }
}

fn word_of(described: &Value) -> Option<String> {
    let word = described["const"].as_str()?;
    let meaning =
        described["description"].as_str().unwrap_or_default().trim_end_matches('.').replace('\n', " ");
    Some(format!("`{word}`: {meaning}."))
}

/// A default that is a plain value; those of a group are its keys' own.
fn default_of(described: &Value) -> String {
    let default = &described["default"];
    let has_groups = default.as_array().is_some_and(|list| list.iter().any(Value::is_object));
    let text = default.as_str().map_or_else(|| default.to_string(), str::to_owned);
    let is_shown = !(default.is_null() || default.is_object() || has_groups || text.is_empty());
    if is_shown { format!("`{text}`") } else { String::new() }
}
