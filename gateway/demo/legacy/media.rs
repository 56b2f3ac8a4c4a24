//! Orders as JSON and as XML, and which of the two a request uses.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use quick_xml::Reader;
use quick_xml::escape::{escape, resolve_predefined_entity};
use quick_xml::events::{BytesRef, Event};
use serde_json::{Map, Value, json};

use super::fault::Fault;
use super::order::{Order, OrderChange};

/// The format of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    Json,
    Xml,
}

/// A media type without its parameters, in lower case.
pub(super) fn essence(content_type: &HeaderValue) -> Option<String> {
    let text = content_type.to_str().ok()?;
    Some(text.split(';').next()?.trim().to_ascii_lowercase())
}

impl Media {
    /// The format of the reply: the first in `Accept`, otherwise the path's own.
    pub(super) fn of_reply(own: Self, headers: &HeaderMap) -> Self {
        let accepted = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
        accepted.split(',').find_map(Self::of_type).unwrap_or(own)
    }

    /// The format of the body: by `Content-Type`, otherwise the path's own.
    pub(super) fn of_body(own: Self, headers: &HeaderMap) -> Result<Self, Fault> {
        let unsupported = Fault::UnsupportedType { taken: "application/json, application/xml" };
        match headers.get(CONTENT_TYPE) {
            Some(given) => given.to_str().ok().and_then(Self::of_type).ok_or(unsupported),
            None => Ok(own),
        }
    }

    fn of_type(text: &str) -> Option<Self> {
        let media_type = text.split(';').next()?.trim().to_ascii_lowercase();
        match media_type.as_str() {
            "application/json" | "application/merge-patch+json" => Some(Self::Json),
            "application/xml" | "text/xml" => Some(Self::Xml),
            _ => None,
        }
    }

    /// The value of `Content-Type`.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Xml => "application/xml",
        }
    }

    /// The path prefix before `/orders` for which this is the path's own format.
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Self::Json => "",
            Self::Xml => "/legacy",
        }
    }

    /// An order's text.
    pub(super) fn write_order(self, order: &Order) -> Bytes {
        match self {
            Self::Json => serde_json::to_vec(order).unwrap_or_default().into(),
            Self::Xml => format!(
                "<order id=\"{}\"><customer>{}</customer><article>{}</article><quantity>{}</quantity><status>{}</status></order>",
                order.id,
                escape(&order.customer),
                escape(&order.article),
                order.quantity,
                order.status.as_str(),
            )
            .into(),
        }
    }

    /// The numbers of all orders.
    pub(super) fn write_ids(self, ids: &[u32]) -> Bytes {
        match self {
            Self::Json => json!({ "orders": ids }).to_string().into(),
            Self::Xml => {
                let orders: Vec<String> = ids.iter().map(|id| format!("<order id=\"{id}\"/>")).collect();
                format!("<orders>{}</orders>", orders.concat()).into()
            }
        }
    }

    /// An error's text.
    pub(super) fn write_fault(self, text: &str) -> Bytes {
        match self {
            Self::Json => json!({ "error": text }).to_string().into(),
            Self::Xml => format!("<error>{}</error>", escape(text)).into(),
        }
    }

    /// The change to an order that a body describes.
    pub(super) fn read_order(self, body: &[u8]) -> Result<OrderChange, Fault> {
        let text = std::str::from_utf8(body).map_err(|error| Fault::Malformed(error.to_string()))?;
        let change = match self {
            Self::Json => serde_json::from_str(text),
            Self::Xml => serde_json::from_value(Value::Object(read_xml(text)?)),
        };
        change.map_err(|error| match error.classify() {
            serde_json::error::Category::Data => Fault::NotAnOrder(error.to_string()),
            serde_json::error::Category::Syntax
            | serde_json::error::Category::Eof
            | serde_json::error::Category::Io => Fault::Malformed(error.to_string()),
        })
    }
}

/// The children of an `<order>` with their text, as members.
fn read_xml(text: &str) -> Result<Map<String, Value>, Fault> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut order = XmlOrder::default();
    loop {
        match reader.read_event().map_err(|error| Fault::Malformed(error.to_string()))? {
            Event::Start(start) => order.open(start.local_name().as_ref())?,
            Event::End(_) => order.close(),
            Event::Text(text) => order.text.push_str(&text.xml10_content()),
            Event::CData(text) => order.text.push_str(&text.xml10_content()),
            Event::GeneralRef(reference) => order.text.push_str(&resolve(&reference)?),
            Event::DocType(_) => return Err(Fault::Malformed("a document type is not allowed".to_owned())),
            Event::Eof => return order.done(),
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
}

/// The part of an `<order>` that has been read.
#[derive(Default)]
struct XmlOrder {
    /// The names of the open elements.
    open: Vec<String>,
    /// The text of the innermost element.
    text: String,
    /// The members read so far; `None` before the root element.
    members: Option<Map<String, Value>>,
}

impl XmlOrder {
    fn open(&mut self, name: &str) -> Result<(), Fault> {
        match self.open.len() {
            0 if name == "order" && self.members.is_none() => self.members = Some(Map::new()),
            1 => {}
            _ => return Err(Fault::NotAnOrder(format!("<{name}> does not belong here"))),
        }
        self.open.push(name.to_owned());
        self.text.clear();
        Ok(())
    }

    fn close(&mut self) {
        let (depth, name) = (self.open.len(), self.open.pop());
        if let (2, Some(name), Some(members)) = (depth, name, &mut self.members) {
            let text = std::mem::take(&mut self.text);
            let number =
                if matches!(name.as_str(), "id" | "quantity") { text.trim().parse().ok() } else { None };
            members.insert(name, number.map_or(Value::String(text), |number: u32| Value::from(number)));
        }
    }

    fn done(self) -> Result<Map<String, Value>, Fault> {
        match self.members {
            Some(members) if self.open.is_empty() => Ok(members),
            Some(_) | None => Err(Fault::Malformed("it ends too early".to_owned())),
        }
    }
}

fn resolve(reference: &BytesRef<'_>) -> Result<String, Fault> {
    let unknown = || Fault::Malformed("it has an unknown reference".to_owned());
    match reference.resolve_char_ref().map_err(|_| unknown())? {
        Some(character) => Ok(character.to_string()),
        None => resolve_predefined_entity(&reference.xml10_content()).map(str::to_owned).ok_or_else(unknown),
    }
}
