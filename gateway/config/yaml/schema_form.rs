//! One form of the schema, which a value may take: a mapping, a list or a kind of scalar.
//!
//! Reads only the few keywords that the types of the sections produce.

use serde_json::{Map, Value};

use super::diagnostic::{HIDDEN, nearest, quoted};
use super::quantity::{UNIT_KEYWORD, Unit};

/// What the schema knows of a key.
pub(in crate::config) enum Property<'a> {
    /// It is a key of its own.
    Known(&'a Value),
    /// It is a name that the operator chooses.
    Named(&'a Value),
    /// Nothing.
    Unknown,
}

pub(in crate::config) fn property<'a>(schema: &'a Value, name: &str) -> Property<'a> {
    match (properties(schema).and_then(|known| known.get(name)), schema.get("additionalProperties")) {
        (Some(known), _) => Property::Known(known),
        (None, Some(named @ Value::Object(_))) => Property::Named(named),
        (None, _) => Property::Unknown,
    }
}

pub(in crate::config) fn properties(schema: &Value) -> Option<&Map<String, Value>> {
    schema.get("properties").and_then(Value::as_object)
}

pub(in crate::config) fn known_keys(schema: &Value) -> Vec<&str> {
    properties(schema).into_iter().flatten().map(|(key, _)| key.as_str()).collect()
}

pub(in crate::config) fn required(schema: &Value) -> impl Iterator<Item = &str> {
    schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// The keys from which the schema wants exactly one.
pub(in crate::config) fn one_required(schema: &Value) -> impl Iterator<Item = &str> {
    schema.get("oneOf").and_then(Value::as_array).into_iter().flatten().flat_map(required)
}

pub(in crate::config) fn example(schema: &Value, name: &str) -> Option<String> {
    let example = properties(schema)?.get(name)?.get("examples")?.get(0)?;
    Some(example.as_str().map_or_else(|| example.to_string(), str::to_owned))
}

pub(in crate::config) fn is_mapping(form: &Value) -> bool {
    type_of(form) == Some("object")
}

pub(in crate::config) fn is_scalar(form: &Value) -> bool {
    choices(form).is_some() || matches!(type_of(form), Some("string" | "integer" | "boolean"))
}

/// The type; of a list of types the first, the others only make room for `${NAME}`.
pub(in crate::config) fn type_of(form: &Value) -> Option<&str> {
    let types = form.get("type")?;
    types.as_str().or_else(|| types.get(0)?.as_str())
}

/// The values of an enumeration of names.
pub(in crate::config) fn choices(form: &Value) -> Option<Vec<&str>> {
    if let Some(values) = form.get("enum").and_then(Value::as_array) {
        return values.iter().map(Value::as_str).collect();
    }
    let variants = form.get("oneOf").and_then(Value::as_array)?;
    variants.iter().map(|variant| variant.get("const")?.as_str()).collect()
}

pub(in crate::config) fn unit_of(form: &Value) -> Option<Unit> {
    form.get(UNIT_KEYWORD).and_then(Value::as_str).and_then(Unit::from_keyword)
}

pub(in crate::config) fn noun(form: &Value) -> String {
    if let Some(unit) = unit_of(form) {
        return unit.noun.to_owned();
    }
    if let Some(choices) = choices(form) {
        return one_of(&choices);
    }
    match type_of(form) {
        Some("object") => "a mapping",
        Some("array") => "a list",
        Some("integer") => "a whole number",
        Some("boolean") => "`true` or `false`",
        Some("string") => "a text",
        Some(_) | None => "a value",
    }
    .to_owned()
}

fn one_of(choices: &[&str]) -> String {
    let choices: Vec<_> = choices.iter().map(|choice| format!("`{choice}`")).collect();
    match choices.as_slice() {
        [several @ .., last] if !several.is_empty() => format!("{} or {last}", several.join(", ")),
        one_or_none => one_or_none.concat(),
    }
}

/// What is wrong with a scalar, and what to do; `shown` is absent where it must not be shown.
pub(in crate::config) fn scalar_problem(
    text: &str,
    shown: Option<&str>,
    form: &Value,
) -> Option<(String, String)> {
    let subject = shown.map_or_else(|| HIDDEN.to_owned(), quoted);
    if let Some(unit) = unit_of(form) {
        let error = unit.parse(text).err()?;
        let message = match error.problem {
            "is not one" => format!("{subject} is not {}", unit.noun),
            problem => format!("{subject} is not {}: it {problem}", unit.noun),
        };
        let hint = if shown.is_some() { error.hint } else { "write it with its unit".to_owned() };
        return Some((message, hint));
    }
    if let Some(choices) = choices(form) {
        return choice_problem(text, &subject, &choices);
    }
    match type_of(form) {
        Some("integer") => number_problem(text, &subject, form),
        Some("boolean") if !matches!(text, "true" | "false") => {
            Some((format!("{subject} is not a boolean"), "write `true` or `false`".to_owned()))
        }
        Some(_) | None => length_problem(text, form),
    }
}

/// What is wrong with a text that is too short. It is not shown: only secrets have a least length.
fn length_problem(text: &str, form: &Value) -> Option<(String, String)> {
    let least = form.get("minLength").and_then(Value::as_u64)?;
    let is_short = (text.chars().count() as u64) < least;
    is_short
        .then(|| ("the text has too few characters".to_owned(), format!("write at least {least} characters")))
}

fn choice_problem(text: &str, subject: &str, choices: &[&str]) -> Option<(String, String)> {
    if choices.contains(&text) {
        return None;
    }
    let possible = format!("write {}", one_of(choices));
    let help = match nearest(text, choices.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => possible,
    };
    Some((format!("{subject} is not known here"), help))
}

fn number_problem(text: &str, subject: &str, form: &Value) -> Option<(String, String)> {
    let least = form.get("minimum").and_then(Value::as_u64).unwrap_or(0);
    let most = form.get("maximum").and_then(Value::as_u64).unwrap_or(u64::MAX);
    let range = match most {
        u64::MAX => format!("at least {least}"),
        _ => format!("from {least} to {most}"),
    };
    match text.parse::<u64>() {
        Ok(number) if (least..=most).contains(&number) => None,
        Ok(_) => Some((format!("{subject} is out of range"), format!("write a whole number {range}"))),
        Err(_) => Some((format!("{subject} is not a whole number"), format!("write one {range}"))),
    }
}
