//! For tests: a document as a tree, read with quick-xml alone, none of the gateway's own reading
//! in between.

use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;

/// An element, its text (all pieces joined) and its children.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Element {
    /// `{namespace}local`.
    pub(crate) name: String,
    /// Without namespace declarations.
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) text: String,
    pub(crate) children: Vec<Element>,
}

impl Element {
    /// Parses a document; panics if it is none.
    pub(crate) fn parse(document: &[u8]) -> Self {
        let text = std::str::from_utf8(document).unwrap();
        let mut reader = NsReader::from_str(text);
        let config = reader.config_mut();
        config.expand_empty_elements = true;
        let mut open = vec![Self::default()];
        loop {
            match reader.read_resolved_event().unwrap() {
                (namespace, Event::Start(start)) => open.push(Self::start(&namespace, &start)),
                (_, Event::End(_)) => {
                    let element = open.pop().unwrap();
                    open.last_mut().unwrap().children.push(element);
                }
                (_, Event::Text(text)) => open.last_mut().unwrap().text.push_str(&text.xml10_content()),
                (_, Event::CData(text)) => open.last_mut().unwrap().text.push_str(&text.xml10_content()),
                (_, Event::GeneralRef(reference)) => {
                    let character = reference.resolve_char_ref().unwrap().unwrap_or_else(|| {
                        quick_xml::escape::resolve_predefined_entity(&reference)
                            .unwrap()
                            .chars()
                            .next()
                            .unwrap()
                    });
                    open.last_mut().unwrap().text.push(character);
                }
                (_, Event::Eof) => break,
                (_, Event::Decl(_) | Event::Comment(_)) => {}
                (_, event @ (Event::PI(_) | Event::DocType(_) | Event::Empty(_))) => panic!("{event:?}"),
            }
        }
        assert_eq!(open.len(), 1, "an element has no end");
        let mut document = open.pop().unwrap();
        assert_eq!(document.children.len(), 1, "a document has one root");
        document.children.pop().unwrap()
    }

    fn start(namespace: &ResolveResult<'_>, start: &BytesStart<'_>) -> Self {
        let namespace = match namespace {
            ResolveResult::Bound(namespace) => namespace.0,
            ResolveResult::Unbound => "",
            ResolveResult::Unknown(prefix) => panic!("no namespace for {prefix:?}"),
        };
        let attributes =
            start.attributes().map(Result::unwrap).filter(|found| !found.key.0.starts_with("xmlns"));
        let attributes = attributes.map(|found| {
            let value = found.normalized_value(quick_xml::XmlVersion::Implicit1_0).unwrap();
            (found.key.0.to_owned(), value.into_owned())
        });
        Self {
            name: format!("{{{namespace}}}{}", start.local_name().into_inner()),
            attributes: attributes.collect(),
            ..Self::default()
        }
    }

    /// The children of this name.
    pub(crate) fn all(&self, name: &str) -> Vec<&Self> {
        self.children.iter().filter(|child| child.name == name).collect()
    }

    /// The only child of this name.
    pub(crate) fn only(&self, name: &str) -> &Self {
        let found = self.all(name);
        assert_eq!(found.len(), 1, "{name} in {self:?}");
        found[0]
    }

    /// The text of the first child of this name.
    pub(crate) fn text_of(&self, name: &str) -> Option<&str> {
        self.all(name).first().map(|child| child.text.as_str())
    }

    /// An attribute's value.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }
}
