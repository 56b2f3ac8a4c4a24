//! One right example of what a key takes, made from the schema: the best answer to a value of the wrong shape.

use serde_json::Value;

use super::schema_form::{
    choices, is_mapping, is_scalar, one_required, properties, required, scalar_problem, type_of, unit_of,
};

/// How many keys of a mapping an example has where none is needed.
const SHOWN_KEYS: usize = 2;

/// The key with a value that it takes, in one line of YAML. `path` is that of the key, `root` the complete schema, `written`
/// the value that is there now, if it is a scalar that may be shown.
pub(in crate::config) fn line(
    path: &str,
    schema: &Value,
    root: &Value,
    written: Option<&str>,
) -> Option<String> {
    let name = path.rsplit('.').next()?;
    if name.is_empty() {
        return None;
    }
    let examples = Examples { root };
    let wrapped = written.and_then(|written| examples.as_list(schema, written));
    if name == "*" {
        return Some(format!("NAME: {}", examples.value(schema, "VALUE")));
    }
    let value = wrapped.unwrap_or_else(|| examples.value(schema, name));
    Some(match name.strip_suffix("[]") {
        Some(list) => format!("{list}: [{value}]"),
        None => format!("{name}: {value}"),
    })
}

/// The forms that a value may take: the schema without references and alternatives. The document has no recursive type, so
/// this ends.
pub(in crate::config) fn forms<'a>(schema: &'a Value, root: &'a Value) -> Vec<&'a Value> {
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        let target = target.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        return target.map(|target| forms(target, root)).unwrap_or_default();
    }
    match schema.get("anyOf").and_then(Value::as_array) {
        Some(any) => any.iter().flat_map(|one| forms(one, root)).collect(),
        None => vec![schema],
    }
}

struct Examples<'a> {
    root: &'a Value,
}

impl<'a> Examples<'a> {
    /// The written value as the only element of a list, if a list is expected.
    fn as_list(&self, schema: &'a Value, written: &str) -> Option<String> {
        let is_harmless =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/' | b':');
        let elements = forms(schema, self.root).into_iter().find_map(|form| form.get("items"))?;
        let element = forms(elements, self.root).into_iter().find(|form| is_scalar(form))?;
        let fits = !written.is_empty() && written.bytes().all(is_harmless);
        (fits && scalar_problem(written, None, element).is_none()).then(|| format!("[{}]", text(written)))
    }

    fn value(&self, schema: &'a Value, name: &str) -> String {
        if let Some(example) = schema.get("examples").and_then(|examples| examples.get(0)) {
            return flow(example);
        }
        let Some(form) = forms(schema, self.root).into_iter().next() else { return placeholder(name) };
        if let Some(example) = form.get("examples").and_then(|examples| examples.get(0)) {
            return flow(example);
        }
        if is_mapping(form) {
            return self.mapping(form);
        }
        let default = schema.get("default").or_else(|| form.get("default"));
        if let Some(elements) = form.get("items") {
            return match default {
                Some(list @ Value::Array(texts)) if texts.first().is_some_and(Value::is_string) => flow(list),
                Some(_) | None => format!("[{}]", self.value(elements, name)),
            };
        }
        match default.filter(|default| **default != Value::String(String::new())) {
            Some(default) => flow(default),
            None => scalar(form, name),
        }
    }

    fn mapping(&self, form: &'a Value) -> String {
        if let Some(any @ Value::Object(_)) = form.get("additionalProperties") {
            return format!("{{ NAME: {} }}", self.value(any, "VALUE"));
        }
        let known = || properties(form).into_iter().flatten();
        let mut names: Vec<&str> = required(form).chain(one_required(form).take(1)).collect();
        if names.is_empty() {
            names = known().map(|(name, _)| name.as_str()).take(SHOWN_KEYS).collect();
        }
        let shown = known().filter(|(name, _)| names.contains(&name.as_str()));
        let shown: Vec<_> =
            shown.map(|(name, schema)| format!("{name}: {}", self.value(schema, name))).collect();
        format!("{{ {} }}", shown.join(", "))
    }
}

/// A scalar that a form takes.
pub(in crate::config) fn of_scalar(form: &Value) -> String {
    form.get("default").map_or_else(|| scalar(form, "default"), flow)
}

fn scalar(form: &Value, name: &str) -> String {
    if let Some(unit) = unit_of(form) {
        return unit.example.to_owned();
    }
    if let Some(first) = choices(form).and_then(|choices| choices.first().map(|choice| (*choice).to_owned()))
    {
        return first;
    }
    match type_of(form) {
        Some("integer") => form.get("minimum").map_or_else(|| "1".to_owned(), Value::to_string),
        Some("boolean") => "true".to_owned(),
        Some(_) | None => placeholder(name),
    }
}

/// A name in capitals, for a value that only the operator knows.
fn placeholder(name: &str) -> String {
    name.trim_end_matches("[]").to_ascii_uppercase()
}

/// A value in YAML's flow style.
fn flow(value: &Value) -> String {
    match value {
        Value::String(string) => text(string),
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Object(entries) => {
            let entries: Vec<_> =
                entries.iter().map(|(key, value)| format!("{}: {}", text(key), flow(value))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// A text, in quotes where it would mean something else without.
fn text(text: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_./:%$;=@ ".contains(character);
    let is_plain = text.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '/')
        && text.chars().all(plain)
        && !text.contains(": ")
        && !text.ends_with([':', ' ']);
    if is_plain { text.to_owned() } else { format!("\"{text}\"") }
}
