//! Which namespace a prefix means (Namespaces in XML 1.0 §3, §6).

use std::borrow::Cow;

use super::error::{XmlError, naming};
use super::tag::{Name, Tag};

const XML: &str = "http://www.w3.org/XML/1998/namespace";
const XMLNS: &str = "http://www.w3.org/2000/xmlns/";

/// A prefix (empty for the default namespace) and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Declaration<'a> {
    /// The prefix.
    pub(super) prefix: &'a str,
    /// The namespace; empty if the default one is taken back.
    pub(super) namespace: Cow<'a, str>,
}

/// The declarations in force at a place of the document.
#[derive(Debug, Default)]
pub(super) struct Scope<'a> {
    /// The latest last, each with the depth of its element.
    declared: Vec<(usize, Declaration<'a>)>,
}

impl<'a> Scope<'a> {
    /// Takes in what an element at `depth` declares, and checks the prefixes of its attributes.
    pub(super) fn enter(
        &mut self,
        tag: &Tag<'a>,
        depth: usize,
        max_declarations: usize,
    ) -> Result<(), XmlError> {
        for attribute in &tag.attributes {
            if let Some(prefix) = declared_by(attribute.name) {
                let namespace = attribute.value.clone();
                check_declaration(prefix, &namespace, tag.start)?;
                self.declared.push((depth, Declaration { prefix, namespace }));
            }
        }
        if self.declared.len() > max_declarations {
            let what = "an XML batch has more namespace declarations in force than it can have";
            return Err(XmlError::forbidden(tag.start, what));
        }
        self.check_attributes(tag)
    }

    /// Forgets what elements at `depth` declared.
    pub(super) fn leave(&mut self, depth: usize) {
        while self.declared.last().is_some_and(|(declared_at, _)| *declared_at >= depth) {
            self.declared.pop();
        }
    }

    /// The namespace of an element's name; empty if it has none.
    pub(super) fn resolve(&self, name: Name<'_>, at: usize) -> Result<&str, XmlError> {
        let declared = self.declared.iter().rev().find(|(_, declaration)| declaration.prefix == name.prefix);
        match (declared, name.prefix) {
            (Some((_, declaration)), _) => Ok(&declaration.namespace),
            (None, "") => Ok(""),
            (None, "xml") => Ok(XML),
            (None, prefix) => {
                Err(XmlError::syntax(at, &naming("no namespace is declared for the prefix", prefix)))
            }
        }
    }

    /// The declarations in force, without those that an element with this tag overrides. An undeclared
    /// default namespace is not a declaration.
    pub(super) fn in_force_for(&self, tag: &Tag<'a>) -> Vec<Declaration<'a>> {
        let mut found: Vec<Declaration<'a>> = Vec::new();
        for (_, declaration) in self.declared.iter().rev() {
            let again =
                tag.attributes.iter().any(|given| declared_by(given.name) == Some(declaration.prefix));
            if !again && !found.iter().any(|later| later.prefix == declaration.prefix) {
                found.push(declaration.clone());
            }
        }
        found.retain(|declaration| !declaration.namespace.is_empty());
        found.reverse();
        found
    }

    /// Prefixes of attributes are declared, and no two attributes mean the same (§6.3).
    fn check_attributes(&self, tag: &Tag<'_>) -> Result<(), XmlError> {
        let mut seen: Vec<(&str, &str)> = Vec::new();
        let prefixed = |name: Name<'_>| !name.prefix.is_empty() && name.prefix != "xmlns";
        for name in tag.attributes.iter().map(|attribute| attribute.name).filter(|name| prefixed(*name)) {
            let expanded = (self.resolve(name, tag.start)?, name.local);
            if seen.contains(&expanded) {
                return Err(XmlError::syntax(
                    tag.start,
                    &naming("duplicate attribute in a tag:", name.local),
                ));
            }
            seen.push(expanded);
        }
        Ok(())
    }
}

/// The prefix that an attribute of this name declares.
fn declared_by(name: Name<'_>) -> Option<&str> {
    match (name.prefix, name.local) {
        ("", "xmlns") => Some(""),
        ("xmlns", prefix) => Some(prefix),
        _ => None,
    }
}

/// Declarations that are not allowed (§3, §5): the reserved names with other values, and prefixes for
/// nothing.
fn check_declaration(prefix: &str, namespace: &str, at: usize) -> Result<(), XmlError> {
    let is_fine = match prefix {
        "xml" => namespace == XML,
        "xmlns" => false,
        _ => namespace != XML && namespace != XMLNS && (prefix.is_empty() || !namespace.is_empty()),
    };
    if is_fine {
        Ok(())
    } else {
        Err(XmlError::syntax(at, &naming("this namespace declaration is not allowed:", prefix)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(source: &str) -> Tag<'_> {
        Tag::parse(source, 0, 100).unwrap()
    }

    fn name<'a>(prefix: &'a str, local: &'a str) -> Name<'a> {
        Name { prefix, local }
    }

    #[test]
    fn the_nearest_declaration_counts() {
        let mut scope = Scope::default();
        scope.enter(&tag("<a xmlns='u:1' xmlns:p='u:2'>"), 1, 9).unwrap();
        scope.enter(&tag("<b xmlns='' xmlns:p='u:3'>"), 2, 9).unwrap();
        assert_eq!(scope.resolve(name("", "x"), 0), Ok(""));
        assert_eq!(scope.resolve(name("p", "x"), 0), Ok("u:3"));
        scope.leave(2);
        assert_eq!(scope.resolve(name("", "x"), 0), Ok("u:1"));
        assert_eq!(scope.resolve(name("p", "x"), 0), Ok("u:2"));
        assert_eq!(scope.resolve(name("xml", "x"), 0), Ok(XML));
        assert!(scope.resolve(name("q", "x"), 0).is_err());
        scope.leave(1);
        assert_eq!(scope.resolve(name("", "x"), 0), Ok(""));
        assert!(scope.resolve(name("p", "x"), 0).is_err());
    }

    #[test]
    fn inherited_declarations_leave_out_redeclared_prefixes() {
        let mut scope = Scope::default();
        scope.enter(&tag("<a xmlns='u:1' xmlns:p='u:2' xmlns:q='u:3'>"), 1, 9).unwrap();
        scope.enter(&tag("<b xmlns:q='u:4'>"), 2, 9).unwrap();
        let found = scope.in_force_for(&tag("<c xmlns:p='u:5'>"));
        let found: Vec<_> = found.iter().map(|found| (found.prefix, found.namespace.as_ref())).collect();
        assert_eq!(found, [("", "u:1"), ("q", "u:4")]);
        scope.enter(&tag("<b xmlns=''>"), 3, 9).unwrap();
        assert_eq!(scope.in_force_for(&tag("<c>")).len(), 2);
    }

    #[test]
    fn reserved_names_and_empty_prefixes_are_refused() {
        for source in [
            "<a xmlns:p=''>",
            "<a xmlns:xmlns='u:1'>",
            "<a xmlns:xml='u:1'>",
            "<a xmlns='http://www.w3.org/XML/1998/namespace'>",
            "<a xmlns:p='http://www.w3.org/2000/xmlns/'>",
            "<a p:b=''>",
            "<a xmlns:p='u:1' xmlns:q='u:1' p:b='' q:b=''>",
        ] {
            assert!(Scope::default().enter(&tag(source), 1, 9).is_err(), "{source}");
        }
        let fine = "<a xmlns:xml='http://www.w3.org/XML/1998/namespace' xml:lang='en' lang='en'>";
        assert!(Scope::default().enter(&tag(fine), 1, 9).is_ok());
    }

    #[test]
    fn declarations_in_force_are_counted() {
        let mut scope = Scope::default();
        for depth in 1..=9 {
            scope.enter(&tag("<a xmlns:p='u:1'>"), depth, 9).unwrap();
        }
        assert!(scope.enter(&tag("<a xmlns:p='u:1'>"), 10, 9).is_err());
    }
}
