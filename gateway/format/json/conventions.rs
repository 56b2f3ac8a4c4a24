//! What the JSON of a dialect does otherwise than the gateway's own.

use crate::batch::Dialect;
use crate::format::ReadContext;
use crate::format::media::TextTypes;

/// How the items of a JSON batch are to be understood. The default is the gateway's own way.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Conventions<'a> {
    /// The endpoint's path, where urls may be relative to its folder (OData JSON §19.1).
    pub(super) relative_to: Option<&'a str>,
    /// Which bodies are text.
    pub(super) text_types: TextTypes,
    /// Whether an id has to be a string (OData JSON §19.1); elsewhere it may be a whole number.
    pub(super) ids_are_strings: bool,
    /// Another name for `dependsOn`. msgraph-core sends it.
    pub(super) other_depends_on: Option<&'static str>,
    /// Whether ids that differ only by case are the same, as in Graph.
    pub(super) ids_ignore_case: bool,
    /// Whether the items of a group have to stand together, under no item's id (OData JSON §19.1).
    pub(super) strict_groups: bool,
}

impl<'a> Conventions<'a> {
    /// Those of the endpoint's dialect.
    pub(super) fn of(context: &ReadContext<'a>) -> Self {
        let relative = Self { relative_to: Some(context.endpoint), strict_groups: true, ..Self::default() };
        match context.dialect {
            Dialect::Odata => Self { text_types: TextTypes::ByName, ids_are_strings: true, ..relative },
            Dialect::Graph => Self {
                text_types: TextTypes::None,
                ids_ignore_case: true,
                other_depends_on: Some("depends_on"),
                ..relative
            },
            Dialect::Batchgate | Dialect::Apisix | Dialect::Tyk => Self::default(),
        }
    }
}
