//! The document: its values, each with its JSON pointer, and what `$ref` leads to. References lead only to other parts of the
//! document.

use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::error::ImportError;
use super::unique::Unique;
use crate::config::in_words;

/// References that lead to one another.
const MOST_REFERENCES: usize = 16;

/// Values in a document, and how deep they nest. The largest public descriptions have about a million.
const MAX_NODES: usize = 4_000_000;
const MAX_DEPTH: usize = 128;

/// An OpenAPI document.
#[derive(Debug)]
pub(super) struct Source {
    root: Value,
}

/// A value of the document.
#[derive(Clone, Debug)]
pub(super) struct Place<'source> {
    pub(super) pointer: String,
    pub(super) value: &'source Value,
}

/// Why it is not YAML, and where.
fn in_words_with_place(error: &serde_saphyr::Error) -> String {
    let (message, help) = in_words(error);
    let place = error.location().map(|place| format!(" at line {}, column {}", place.line(), place.column()));
    let help = if help.is_empty() { String::new() } else { format!("; {help}") };
    format!("{message}{}{help}", place.unwrap_or_default())
}

impl Source {
    pub(super) fn parse(text: &str) -> Result<Self, ImportError> {
        let Unique(root) = if text.trim_start().starts_with('{') {
            serde_json::from_str(text).map_err(|error| ImportError::Unreadable(error.to_string()))?
        } else {
            let options = serde_saphyr::options! {
                budget: serde_saphyr::budget! {
                    max_depth: MAX_DEPTH,
                    max_nodes: MAX_NODES,
                    max_documents: 1,
                },
                with_snippet: false,
            };
            serde_saphyr::from_str_with_options(text, options)
                .map_err(|error| ImportError::Unreadable(in_words_with_place(&error)))?
        };
        let version =
            |key| root.get(key).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        if let Some(version) = version("swagger") {
            return Err(ImportError::Swagger(version));
        }
        match version("openapi") {
            None => Err(ImportError::NotOpenApi),
            Some(version) if !version.starts_with("3.0") && !version.starts_with("3.1") => {
                Err(ImportError::Version(version))
            }
            Some(_) => Ok(Self { root }),
        }
    }

    pub(super) fn root(&self) -> Place<'_> {
        Place { pointer: String::new(), value: &self.root }
    }

    /// What a place leads to, past all references.
    ///
    /// # Errors
    /// Says why a reference leads nowhere.
    pub(super) fn resolved<'source>(&'source self, place: Place<'source>) -> Result<Place<'source>, String> {
        let mut place = place;
        for _ in 0..MOST_REFERENCES {
            let Some(reference) = place.value.get("$ref").and_then(Value::as_str) else { return Ok(place) };
            let Some(pointer) = reference.strip_prefix('#') else {
                return Err(format!(
                    "`$ref: {reference}` leads out of the document; put what it leads to into the document"
                ));
            };
            let pointer = percent_decode_str(pointer).decode_utf8_lossy();
            let Some(value) = self.root.pointer(&pointer) else {
                return Err(format!("`$ref: {reference}` leads nowhere"));
            };
            place = Place { pointer: pointer.into_owned(), value };
        }
        Err("its references lead to one another".to_owned())
    }
}

impl<'source> Place<'source> {
    /// A member of this object.
    pub(super) fn get(&self, name: &str) -> Option<Self> {
        let value = self.value.get(name)?;
        Some(Self { pointer: self.pointer_to(name), value })
    }

    /// The members of this object; none if it is not one.
    pub(super) fn members(&self) -> impl Iterator<Item = (&'source str, Self)> {
        let members = self.value.as_object().into_iter().flatten();
        members.map(|(name, value)| (name.as_str(), Self { pointer: self.pointer_to(name), value }))
    }

    /// The elements of this list; none if it is not one.
    pub(super) fn elements(&self) -> impl Iterator<Item = Self> {
        let elements = self.value.as_array().into_iter().flatten().enumerate();
        elements.map(|(index, value)| Self { pointer: self.pointer_to(&index.to_string()), value })
    }

    /// A member that is a text.
    pub(super) fn text(&self, name: &str) -> Option<&'source str> {
        self.value.get(name)?.as_str()
    }

    fn pointer_to(&self, name: &str) -> String {
        format!("{}/{}", self.pointer, name.replace('~', "~0").replace('/', "~1"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(paths: &str) -> Source {
        Source::parse(&format!("openapi: 3.1.0\npaths: {paths}")).unwrap()
    }

    #[test]
    fn versions_are_told_apart() {
        for (text, error) in [
            ("swagger: '2.0'", ImportError::Swagger("2.0".to_owned())),
            ("{\"swagger\": \"2.0\"}", ImportError::Swagger("2.0".to_owned())),
            ("openapi: 3.2.0", ImportError::Version("3.2.0".to_owned())),
            ("info: {}", ImportError::NotOpenApi),
        ] {
            assert_eq!(Source::parse(text).unwrap_err(), error, "{text}");
        }
        assert!(matches!(Source::parse("{\"openapi\": "), Err(ImportError::Unreadable(_))));
        assert!(matches!(Source::parse("openapi: [3.0"), Err(ImportError::Unreadable(_))));
        for twice in [
            "openapi: 3.1.0\npaths: { /a: {}, /a: {} }",
            "{\"openapi\":\"3.1.0\",\"paths\":{\"/a\":1,\"/a\":2}}",
        ] {
            let Err(ImportError::Unreadable(reason)) = Source::parse(twice) else { panic!("{twice}") };
            assert!(reason.contains("/a"), "{reason}");
        }
        assert!(Source::parse("{\"openapi\": \"3.0.3\"}").is_ok());
    }

    #[test]
    fn references_lead_to_other_parts_of_the_document() {
        let source = source(
            "{ /a: { $ref: '#/x/~1b%7Bid%7D' }, /c: { $ref: other.yaml }, /d: { $ref: '#/paths/~1d' } }\nx: { '/b{id}': { get: {} } }",
        );
        let paths = source.root().get("paths").unwrap();
        let resolved = |name| source.resolved(paths.get(name).unwrap());
        assert_eq!(resolved("/a").unwrap().pointer, "/x/~1b{id}");
        assert!(resolved("/c").unwrap_err().contains("out of the document"));
        assert!(resolved("/d").unwrap_err().contains("one another"));
    }
}
