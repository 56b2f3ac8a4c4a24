//! Reads one item of a JSON batch: its members, each checked for its type.

use std::borrow::Cow;

use bytes::Bytes;

use super::body::RawBody;
use super::conventions::Conventions;
use super::fault::{Fault, FaultKind};
use super::lexer::{Lexer, RawString};
use super::reader::NO_OBJECT;
use crate::format::draft::{Draft, MemberNames, NO_CONDITIONS, shown};
use crate::format::relative::resolved;
use crate::format::{BatchItem, BatchLimits, FieldError, ItemIndex};

/// Members of a batch or an item. Far more than the protocol has, and few enough to compare each
/// with all.
const MAX_MEMBERS: usize = 64;

const NO_IDS: &str = "is neither a list of ids nor an id";

const NAMES: MemberNames = MemberNames { url: "url" };

/// The names of an object's members so far; RFC 8259 §4 leaves open what a second one of the same
/// name means, so that the gateway and the upstream might differ.
#[derive(Debug, Default)]
pub(super) struct Members<'a>(Vec<Cow<'a, str>>);

impl<'a> Members<'a> {
    /// Adds a name, or says that it is there already.
    pub(super) fn add(&mut self, name: Cow<'a, str>, at: usize) -> Result<(), Fault> {
        if self.0.contains(&name) {
            return Err(Fault { at, kind: FaultKind::Twice(shown(&name)) });
        }
        if self.0.len() == MAX_MEMBERS {
            return Err(Fault { at, kind: FaultKind::NotABatch("there are more than 64 members") });
        }
        self.0.push(name);
        Ok(())
    }
}

/// One item, while it is read.
pub(super) struct ItemReader<'a> {
    whole: &'a Bytes,
    draft: Draft<'a>,
    body: RawBody<'a>,
    conventions: Conventions<'a>,
}

impl<'a> ItemReader<'a> {
    /// For the next item of the batch `whole`.
    pub(super) fn new(whole: &'a Bytes, limits: &'a BatchLimits, conventions: Conventions<'a>) -> Self {
        Self { whole, draft: Draft::new(limits, NAMES), body: RawBody::Absent, conventions }
    }

    /// Reads the item.
    pub(super) fn read(mut self, lexer: &mut Lexer<'a>, index: ItemIndex) -> Result<BatchItem, Fault> {
        if lexer.peek() == Some(b'{') {
            self.read_members(lexer)?;
        } else {
            lexer.value()?;
            self.draft.reject(NO_OBJECT);
        }
        let body = self.body.prepare(&mut self.draft, self.whole, self.conventions.text_in_base64)?;
        Ok(self.draft.finish(index, body))
    }

    fn read_members(&mut self, lexer: &mut Lexer<'a>) -> Result<(), Fault> {
        lexer.open_object()?;
        let mut first = true;
        let mut members = Members::default();
        while let Some(name) = lexer.next_member(&mut first)? {
            let decoded = name.decode()?;
            members.add(decoded.clone(), name.at)?;
            self.read_member(lexer, &decoded)?;
        }
        Ok(())
    }

    /// Reads the value of a member. `null` means that the member is not there, as OData has it
    /// for bodies and as clients write it for all that is optional.
    fn read_member(&mut self, lexer: &mut Lexer<'a>, name: &str) -> Result<(), Fault> {
        match name {
            "id" => {
                if let Some(id) = self.text(lexer, "id")? {
                    self.draft.set_id(&id);
                }
            }
            "method" => {
                if let Some(method) = self.text(lexer, "method")? {
                    self.draft.set_method(&method);
                }
            }
            "url" => {
                if let Some(url) = self.text(lexer, "url")? {
                    match self.conventions.relative_to {
                        Some(endpoint) => self.draft.set_url(&resolved(&url, endpoint)),
                        None => self.draft.set_url(&url),
                    }
                }
            }
            "headers" => self.read_headers(lexer)?,
            "body" => self.body = RawBody::read(lexer)?,
            "timeout" => match lexer.value()? {
                "null" => {}
                number => self.draft.set_timeout(number),
            },
            "dependsOn" => self.read_dependencies(lexer)?,
            "atomicityGroup" => {
                if let Some(name) = self.text(lexer, "atomicityGroup")? {
                    self.draft.set_group(&name);
                }
            }
            "if" => {
                if lexer.value()? != "null" {
                    self.draft.reject(NO_CONDITIONS);
                }
            }
            _ => {
                lexer.value()?;
            }
        }
        Ok(())
    }

    /// A member that is a string.
    fn text(&mut self, lexer: &mut Lexer<'a>, member: &'static str) -> Result<Option<Cow<'a, str>>, Fault> {
        let text = string_or_skip(lexer)?;
        match text {
            Value::String(string) => string.decode().map(Some),
            Value::Null => Ok(None),
            Value::Other => {
                self.draft.reject_member(member, "is no string");
                Ok(None)
            }
        }
    }

    /// A list of ids and groups, or a single one.
    fn read_dependencies(&mut self, lexer: &mut Lexer<'a>) -> Result<(), Fault> {
        if lexer.peek() != Some(b'[') {
            match string_or_skip(lexer)? {
                Value::String(name) => self.draft.add_dependency(&name.decode()?),
                Value::Null => {}
                Value::Other => self.draft.reject_member("dependsOn", NO_IDS),
            }
            return Ok(());
        }
        lexer.open_array()?;
        let mut first = true;
        while lexer.next_element(&mut first)? {
            match string_or_skip(lexer)? {
                Value::String(name) => self.draft.add_dependency(&name.decode()?),
                Value::Null | Value::Other => self.draft.reject_member("dependsOn", NO_IDS),
            }
        }
        Ok(())
    }

    fn read_headers(&mut self, lexer: &mut Lexer<'a>) -> Result<(), Fault> {
        if lexer.peek() != Some(b'{') {
            if lexer.value()? != "null" {
                self.draft.reject_member("headers", "is no object");
            }
            return Ok(());
        }
        lexer.open_object()?;
        let mut first = true;
        while let Some(name) = lexer.next_member(&mut first)? {
            let name = name.decode()?;
            if self.draft.has_header(&name) {
                self.draft.reject_header(&name, FieldError::Twice);
            }
            self.read_header(lexer, &name)?;
        }
        Ok(())
    }

    /// A field's value: a string, or a list of them for a field with several values.
    fn read_header(&mut self, lexer: &mut Lexer<'a>, name: &str) -> Result<(), Fault> {
        if lexer.peek() != Some(b'[') {
            return self.read_header_value(lexer, name);
        }
        lexer.open_array()?;
        let mut first = true;
        while lexer.next_element(&mut first)? {
            self.read_header_value(lexer, name)?;
        }
        Ok(())
    }

    fn read_header_value(&mut self, lexer: &mut Lexer<'a>, name: &str) -> Result<(), Fault> {
        match string_or_skip(lexer)? {
            Value::String(value) => self.draft.add_header(name, value.decode()?.as_bytes()),
            Value::Null | Value::Other => self.draft.reject_header(name, FieldError::NotText),
        }
        Ok(())
    }
}

enum Value<'a> {
    String(RawString<'a>),
    Null,
    Other,
}

fn string_or_skip<'a>(lexer: &mut Lexer<'a>) -> Result<Value<'a>, Fault> {
    if lexer.peek() == Some(b'"') {
        return lexer.string().map(Value::String);
    }
    Ok(if lexer.value()? == "null" { Value::Null } else { Value::Other })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::reader::read_with;
    use super::*;
    use crate::format::{Batch, BatchRefusal, ItemRejection};

    fn read(body: &Bytes, limits: &BatchLimits) -> Result<Batch, BatchRefusal> {
        read_with(body, limits, Conventions::default())
    }

    /// The item with these members beside a method and a url.
    fn item(members: &str) -> BatchItem {
        whole_item(&format!(
            r#"{{"method":"PUT","url":"/a"{}{members}}}"#,
            if members.is_empty() { "" } else { "," }
        ))
    }

    fn whole_item(item: &str) -> BatchItem {
        let body = Bytes::from(format!(r#"{{"requests":[{item}]}}"#));
        read(&body, &BatchLimits::default()).unwrap().items.remove(0)
    }

    fn rejection(item: BatchItem) -> ItemRejection {
        item.content.unwrap_err()
    }

    #[test]
    fn all_members_are_read() {
        let item = item(
            r#""id":"x","headers":{"If-Match":"\"1\"","X-A":["1","2"]},"timeout":250,"dependsOn":[],"if":null,"extra":[{}]"#,
        );
        assert_eq!(item.subject.id.as_str(), "x");
        let content = item.content.unwrap();
        let headers: Vec<_> =
            content.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(headers, [("if-match", "\"1\""), ("x-a", "1"), ("x-a", "2")]);
        assert_eq!(content.timeout, Some(Duration::from_millis(250)));
        assert_eq!(content.body, None);
    }

    #[test]
    fn null_is_as_good_as_absent() {
        let members = ["id", "headers", "body", "timeout", "dependsOn", "atomicityGroup", "if"];
        let members: Vec<_> = members.iter().map(|name| format!("\"{name}\":null")).collect();
        let item = item(&members.join(","));
        assert_eq!(item.subject.id.as_str(), "1");
        assert_eq!(item.content, Ok(crate::format::Item::default()));
    }

    #[test]
    fn what_is_no_object_is_no_item() {
        for text in ["1", "null", "\"x\"", "[]", "true"] {
            assert_eq!(rejection(whole_item(text)), NO_OBJECT, "{text}");
        }
    }

    #[test]
    fn method_and_url_have_to_be_there() {
        assert_eq!(
            rejection(whole_item(r#"{"url":"/"}"#)),
            ItemRejection::MissingMember { member: "method" }
        );
        assert_eq!(
            rejection(whole_item(r#"{"method":"GET"}"#)),
            ItemRejection::MissingMember { member: "url" }
        );
        assert_eq!(rejection(whole_item("{}")), ItemRejection::MissingMember { member: "method" });
    }

    #[test]
    fn members_of_the_wrong_type_reject_the_item() {
        let members = [
            ("id", "1"),
            ("id", "\"\""),
            ("timeout", "\"1\""),
            ("timeout", "1.5"),
            ("timeout", "-1"),
            ("headers", "[]"),
            ("dependsOn", "1"),
            ("dependsOn", "{}"),
            ("dependsOn", "[1]"),
            ("dependsOn", "[[\"a\"]]"),
            ("dependsOn", "[null]"),
            ("atomicityGroup", "1"),
        ];
        for (name, value) in members {
            let rejected = rejection(item(&format!("\"{name}\":{value}")));
            assert!(
                matches!(rejected, ItemRejection::BadMember { member, .. } if member == name),
                "{name}: {value}"
            );
        }
        for (name, value) in [("method", "1"), ("method", "\"G T\""), ("url", "{}"), ("url", "\"\"")] {
            let rejected = rejection(whole_item(&format!("{{\"{name}\":{value}}}")));
            assert!(
                matches!(rejected, ItemRejection::BadMember { member, .. } if member == name),
                "{name}: {value}"
            );
        }
    }

    #[test]
    fn a_rejected_item_keeps_what_could_be_read() {
        let rejected = item(r#""id":"x","timeout":0"#);
        assert_eq!((rejected.subject.id.as_str(), &*rejected.subject.href), ("x", "/a"));
        assert_eq!(rejected.subject.method, http::Method::PUT);
    }

    #[test]
    fn dependencies_are_a_list_or_a_single_id() {
        let names = |value: &str| item(&format!("\"dependsOn\":{value}")).content.unwrap().depends_on;
        assert_eq!(names(r#"["b","a","\u0062"]"#), ["b".into(), "a".into(), "b".into()]);
        assert_eq!(names(r#""a""#), ["a".into()]);
        assert!(names("[]").is_empty());
        let many = format!("\"dependsOn\":[{}]", vec!["\"a\""; 1001].join(","));
        assert!(matches!(rejection(item(&many)), ItemRejection::OverLimit { limit: 1000, .. }));
    }

    #[test]
    fn conditions_are_not_there_yet() {
        assert_eq!(rejection(item(r#""if":"$a/$succeeded""#)), NO_CONDITIONS);
    }

    #[test]
    fn headers_are_checked() {
        let error = |headers: &str| {
            let rejected = rejection(item(&format!("\"headers\":{headers}")));
            let ItemRejection::BadHeader { error, .. } = rejected else { panic!("{rejected:?}") };
            error
        };
        assert_eq!(error(r#"{"Host":"x"}"#), FieldError::Forbidden);
        assert_eq!(error(r#"{"a b":"x"}"#), FieldError::Name);
        assert_eq!(error(r#"{"":"x"}"#), FieldError::Name);
        assert_eq!(error(r#"{"a":"x\r\nb: c"}"#), FieldError::Value);
        assert_eq!(error(r#"{"a":1}"#), FieldError::NotText);
        assert_eq!(error(r#"{"a":null}"#), FieldError::NotText);
        assert_eq!(error(r#"{"a":["x",["y"]]}"#), FieldError::NotText);
        assert_eq!(error(r#"{"a":"1","A":"2"}"#), FieldError::Twice);
        assert_eq!(error(r#"{"Content-Type":["a/b","c/d"]}"#), FieldError::Twice);
    }

    #[test]
    fn members_are_counted() {
        let members: Vec<_> = (0..70).map(|index| format!("\"m{index}\":0")).collect();
        let body = Bytes::from(format!("{{\"requests\":[{{{}}}]}}", members.join(",")));
        assert!(matches!(read(&body, &BatchLimits::default()), Err(BatchRefusal::NotABatch { .. })));
    }
}
