//! What the JSON of a dialect does otherwise than the gateway's own.

use crate::batch::Dialect;
use crate::format::ReadContext;

/// How the items of a JSON batch are to be understood. The default is the gateway's own way.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Conventions<'a> {
    /// The endpoint's path, where urls may be relative to its folder (OData JSON §19.1).
    pub(super) relative_to: Option<&'a str>,
    /// Whether text is in base64, as everything is that is not JSON: what Graph's clients send.
    pub(super) text_in_base64: bool,
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
            Dialect::Odata => relative,
            Dialect::Graph => Self { text_in_base64: true, ids_ignore_case: true, ..relative },
            Dialect::Batchgate | Dialect::Apisix | Dialect::Tyk => Self::default(),
        }
    }
}
