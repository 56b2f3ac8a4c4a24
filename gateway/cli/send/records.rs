//! Records that become items by a template: the method, and the path with `{column}` in it.

use serde_json::value::{RawValue, to_raw_value};

use super::item::{Item, Members};
use crate::route::UrlTemplate;

/// How a record becomes an item.
#[derive(Clone, Debug)]
pub(super) struct Template {
    pub(super) method: String,
    pub(super) path: PathTemplate,
    /// The columns of the body.
    pub(super) body: Body,
}

/// The path of each record's item.
#[derive(Clone, Debug)]
pub(super) enum PathTemplate {
    /// The same for all records.
    Fixed(String),
    Filled(UrlTemplate),
}

/// What of a record is its item's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Body {
    All,
    Columns(Vec<String>),
    None,
}

/// Why a record can't become an item.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RecordError {
    #[error("has no `{0}`, which the path needs")]
    NoColumn(String),
    #[error("has {1} as `{0}`; the path needs a text or a number")]
    NotAText(String, &'static str),
    #[error("can't be written as JSON")]
    Json,
}

impl Template {
    /// The item of a record, whose members are in their order.
    pub(super) fn item(&self, number: u64, record: &[(String, Box<RawValue>)]) -> Result<Item, RecordError> {
        let url = match &self.path {
            PathTemplate::Fixed(path) => path.clone(),
            PathTemplate::Filled(template) => filled(template, record)?,
        };
        let mut members = Members::new();
        let mut add = |name: &str, value: serde_json::Result<Box<RawValue>>| {
            value.map(|value| members.insert(name.to_owned(), value)).map_err(|_| RecordError::Json)
        };
        add("method", to_raw_value(&self.method))?;
        add("url", to_raw_value(&url))?;
        if let Some(body) = self.body_of(record) {
            add("body", RawValue::from_string(body))?;
        }
        Item::new(number, members).map_err(|_| RecordError::Json)
    }

    /// The columns that it names.
    pub(super) fn columns(&self) -> impl Iterator<Item = &str> {
        let in_path = match &self.path {
            PathTemplate::Fixed(_) => None,
            PathTemplate::Filled(template) => Some(template.variables().iter().map(|name| &**name)),
        };
        let in_body = match &self.body {
            Body::Columns(columns) => columns.as_slice(),
            Body::All | Body::None => &[],
        };
        in_path.into_iter().flatten().chain(in_body.iter().map(String::as_str))
    }

    fn body_of(&self, record: &[(String, Box<RawValue>)]) -> Option<String> {
        let is_in = |name: &String| match &self.body {
            Body::All => true,
            Body::Columns(columns) => columns.contains(name),
            Body::None => false,
        };
        let members = record.iter().filter(|(name, _)| is_in(name));
        let members: Vec<_> = members
            .filter_map(|(name, value)| Some(format!("{}:{value}", serde_json::to_string(name).ok()?)))
            .collect();
        (self.body != Body::None).then(|| format!("{{{}}}", members.join(",")))
    }
}

fn filled(template: &UrlTemplate, record: &[(String, Box<RawValue>)]) -> Result<String, RecordError> {
    let values = template.variables().iter().map(|name| {
        let found = record.iter().find(|(column, _)| **column == **name);
        let value =
            found.map(|(_, value)| value.get()).ok_or_else(|| RecordError::NoColumn(name.to_string()))?;
        text_of(value).map_err(|what| RecordError::NotAText(name.to_string(), what))
    });
    let values = values.collect::<Result<Vec<_>, _>>()?;
    let values: Vec<_> = values.iter().map(String::as_str).collect();
    Ok(template.expand(&values))
}

/// The text of a JSON string or number, or what it is instead.
fn text_of(json: &str) -> Result<String, &'static str> {
    match json.as_bytes().first() {
        Some(b'"') => match serde_json::from_str::<String>(json) {
            Ok(text) if text.is_empty() => Err("an empty text"),
            Ok(text) => Ok(text),
            Err(_) => Err("a text that is not Unicode"),
        },
        Some(b'[') => Err("a list"),
        Some(b'{') => Err("an object"),
        Some(b'n') => Err("`null`"),
        Some(b't') => Err("`true`"),
        Some(b'f') => Err("`false`"),
        Some(_) | None => Ok(json.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(path: &str, body: Body) -> Template {
        Template {
            method: "PATCH".to_owned(),
            path: PathTemplate::Filled(UrlTemplate::parse(path).unwrap()),
            body,
        }
    }

    fn record(json: &[(&str, &str)]) -> Vec<(String, Box<RawValue>)> {
        json.iter()
            .map(|(name, value)| ((*name).to_owned(), RawValue::from_string((*value).to_owned()).unwrap()))
            .collect()
    }

    #[test]
    fn a_record_fills_the_path_and_the_body() {
        let record = record(&[("id", "\"a/b\""), ("n", "1.50"), ("status", "\"paid\"")]);
        for (path, body, expected) in [
            (
                "/o/{id}",
                Body::All,
                r#"{"body":{"id":"a/b","n":1.50,"status":"paid"},"id":"3","method":"PATCH","url":"/o/a%2Fb"}"#,
            ),
            (
                "/o/{n}",
                Body::Columns(vec!["status".to_owned()]),
                r#"{"body":{"status":"paid"},"id":"3","method":"PATCH","url":"/o/1.50"}"#,
            ),
            ("/o/{id}?n={n}", Body::None, r#"{"id":"3","method":"PATCH","url":"/o/a%2Fb?n=1.50"}"#),
        ] {
            assert_eq!(template(path, body).item(3, &record).unwrap().json, expected);
        }
    }

    #[test]
    fn a_record_without_the_value_is_refused() {
        let template = template("/o/{id}", Body::All);
        for (json, what) in [
            ("[1]", "a list"),
            ("{}", "an object"),
            ("\"\"", "an empty text"),
            ("null", "`null`"),
            ("true", "`true`"),
            ("false", "`false`"),
        ] {
            let error = template.item(1, &record(&[("id", json)])).unwrap_err();
            assert_eq!(error, RecordError::NotAText("id".to_owned(), what), "{json}");
        }
        assert_eq!(template.item(1, &record(&[])).unwrap_err(), RecordError::NoColumn("id".to_owned()));
    }
}
