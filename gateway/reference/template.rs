//! An item that can't be sent yet, because it refers to the results of earlier items
//! (protocol §6).

use bytes::Bytes;

use super::expression::{Expression, TextTemplate};
use crate::reference::item_id::ItemId;

/// Where an item has references. Parts that are `None` are sent as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// The url.
    pub url: Option<UrlTemplate>,
    /// Fields, by their place among the item's.
    pub headers: Vec<(usize, TextTemplate)>,
    /// The pieces of a JSON body.
    pub body: Option<Vec<BodyPiece>>,
    /// What the item may come to once it is filled in.
    pub limits: TemplateLimits,
}

/// A url with references.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlTemplate {
    /// `$ID` at its start: the Location of that item's result, if the batch has such an item.
    pub location_of: Option<ItemId>,
    /// The url, or the rest of it after `$ID`.
    pub rest: TextTemplate,
}

/// A piece of a JSON body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyPiece {
    /// Text that is sent unchanged.
    Raw(Bytes),
    /// A string that is one expression: the value takes its place, of whatever JSON type it is.
    Value(Expression),
    /// A string with expressions in it.
    Text(TextTemplate),
}

/// The size of an item once it is filled in: the endpoint's limits on items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TemplateLimits {
    /// Of its url.
    pub max_url: usize,
    /// Of its fields.
    pub max_header_bytes: usize,
    /// Of its body.
    pub max_body: usize,
}

impl Template {
    /// All expressions.
    pub fn expressions(&self) -> impl Iterator<Item = &Expression> {
        let url = self.url.iter().flat_map(|url| url.rest.expressions());
        let headers = self.headers.iter().flat_map(|(_, value)| value.expressions());
        let pieces = self.body.iter().flatten();
        let values = pieces.clone().filter_map(|piece| match piece {
            BodyPiece::Value(expression) => Some(expression),
            BodyPiece::Raw(_) | BodyPiece::Text(_) => None,
        });
        let texts = pieces.filter_map(|piece| match piece {
            BodyPiece::Text(text) => Some(text.expressions()),
            BodyPiece::Raw(_) | BodyPiece::Value(_) => None,
        });
        url.chain(headers).chain(values).chain(texts.flatten())
    }
}
