//! Reads one item of a JSON batch: its members, each checked for its type.

use std::borrow::Cow;

use bytes::Bytes;

use super::body::RawBody;
use super::conventions::Conventions;
use super::fault::{Fault, FaultKind};
use super::lexer::{Lexer, RawString};
use super::reader::NO_OBJECT;
use crate::format::draft::{Draft, MemberNames, shown};
use crate::format::relative::resolved;
use crate::format::{BatchItem, BatchLimits, FieldError, ItemIndex};

/// Members of a batch or an item. Far more than the protocol has, and few enough to compare each
/// with all.
const MAX_MEMBERS: usize = 64;

/// The members that an item can have.
const KNOWN: [&str; 9] =
    ["id", "method", "url", "headers", "body", "timeout", "dependsOn", "atomicityGroup", "if"];

const NO_ID: &str = "is neither a string nor a whole number";
const NO_STRING_ID: &str = "is not a string, as this endpoint's dialect has ids";
const NO_IDS: &str = "is neither an id (a string or a whole number) nor a list of ids";

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
        let body = self.body.prepare(&mut self.draft, self.whole, self.conventions.text_types)?;
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
            "id" => self.read_id(lexer)?,
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
                if let Some(condition) = self.text(lexer, "if")? {
                    self.draft.set_condition(&condition);
                }
            }
            name if self.conventions.other_depends_on == Some(name) => self.read_dependencies(lexer)?,
            unknown => {
                lexer.value()?;
                self.draft.meet_unknown(unknown, &KNOWN);
            }
        }
        Ok(())
    }

    /// An id: a string, or a whole number, which is kept digit by digit. `null` is none: an item that has the member
    /// has a client that looks for its result by it.
    fn read_id(&mut self, lexer: &mut Lexer<'a>) -> Result<(), Fault> {
        match name_or_skip(lexer)? {
            Name::String(id) => self.draft.set_id(&id.decode()?),
            Name::Number(digits) if !self.conventions.ids_are_strings => self.draft.set_number_id(digits),
            Name::Number(_) => self.draft.reject_member("id", NO_STRING_ID),
            Name::Null | Name::Other if self.conventions.ids_are_strings => {
                self.draft.reject_member("id", NO_STRING_ID);
            }
            Name::Null | Name::Other => self.draft.reject_member("id", NO_ID),
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
                self.draft.reject_member(member, "is not a string");
                Ok(None)
            }
        }
    }

    /// A list of ids and groups, or a single one.
    fn read_dependencies(&mut self, lexer: &mut Lexer<'a>) -> Result<(), Fault> {
        if lexer.peek() != Some(b'[') {
            return self.read_dependency(lexer, true);
        }
        lexer.open_array()?;
        let mut first = true;
        while lexer.next_element(&mut first)? {
            self.read_dependency(lexer, false)?;
        }
        Ok(())
    }

    fn read_dependency(&mut self, lexer: &mut Lexer<'a>, may_be_null: bool) -> Result<(), Fault> {
        match name_or_skip(lexer)? {
            Name::String(name) => self.draft.add_dependency(&name.decode()?),
            Name::Number(digits) if !self.conventions.ids_are_strings => self.draft.add_dependency(digits),
            Name::Null if may_be_null => {}
            Name::Number(_) | Name::Null | Name::Other => self.draft.reject_member("dependsOn", NO_IDS),
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

/// What names an item.
enum Name<'a> {
    String(RawString<'a>),
    /// A whole number as it is written: another reader might round a long one.
    Number(&'a str),
    Null,
    Other,
}

fn name_or_skip<'a>(lexer: &mut Lexer<'a>) -> Result<Name<'a>, Fault> {
    if lexer.peek() == Some(b'"') {
        return lexer.string().map(Name::String);
    }
    let value = lexer.value()?;
    let digits = value.strip_prefix('-').unwrap_or(value);
    Ok(match value {
        "null" => Name::Null,
        // A fraction and an exponent have other characters in them.
        number if digits.bytes().all(|byte| byte.is_ascii_digit()) => Name::Number(number),
        _ => Name::Other,
    })
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
        let members = ["headers", "body", "timeout", "dependsOn", "atomicityGroup", "if"];
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
            ("id", "1.0"),
            ("id", "1e3"),
            ("id", "true"),
            ("id", "null"),
            ("id", "{}"),
            ("id", "[1]"),
            ("id", "\"\""),
            ("timeout", "\"1\""),
            ("timeout", "1.5"),
            ("timeout", "-1"),
            ("headers", "[]"),
            ("dependsOn", "1.5"),
            ("dependsOn", "{}"),
            ("dependsOn", "[true]"),
            ("dependsOn", "[1e3]"),
            ("dependsOn", "[[\"a\"]]"),
            ("dependsOn", "[null]"),
            ("atomicityGroup", "1"),
            ("if", "true"),
            ("if", "[]"),
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
        assert_eq!(names("7"), ["7".into()]);
        let long = "123456789012345678901234567890";
        assert_eq!(names(&format!("[{long}, -1, \"7\"]")), [long.into(), "-1".into(), "7".into()]);
        assert!(names("[]").is_empty());
        let many = format!("\"dependsOn\":[{}]", vec!["\"a\""; 1001].join(","));
        assert!(matches!(rejection(item(&many)), ItemRejection::OverLimit { limit: 1000, .. }));
    }

    #[test]
    fn whole_numbers_are_ids_digit_by_digit() {
        for digits in ["1", "0", "-5", "9007199254740993", "123456789012345678901234567890"] {
            let subject = item(&format!("\"id\":{digits}")).subject;
            assert_eq!((subject.id.as_str(), subject.form.id), (digits, crate::format::IdForm::Number));
        }
    }

    #[test]
    fn dialects_that_have_string_ids_say_so() {
        let read = |members: &str| {
            let body = Bytes::from(format!(r#"{{"requests":[{{"method":"GET","url":"/a",{members}}}]}}"#));
            let conventions = Conventions { ids_are_strings: true, ..Conventions::default() };
            let mut batch = read_with(&body, &BatchLimits::default(), conventions).unwrap();
            batch.items.remove(0).content
        };
        assert_eq!(read(r#""id":1"#), Err(ItemRejection::BadMember { member: "id", problem: NO_STRING_ID }));
        assert!(read(r#""dependsOn":[1]"#).is_err());
        assert!(read(r#""id":"1""#).is_ok());
    }

    #[test]
    fn members_that_look_like_known_ones_reject_the_item() {
        for (name, meant) in [
            ("depends_on", "dependsOn"),
            ("depends-on", "dependsOn"),
            ("dependson", "dependsOn"),
            ("header", "headers"),
            ("Body", "body"),
            ("URL", "url"),
            ("Method", "method"),
            ("atomicity_group", "atomicityGroup"),
        ] {
            let expected = ItemRejection::UnknownMember { member: name.to_owned(), meant: Some(meant) };
            let found = rejection(item(&format!("\"{name}\":null")));
            assert_eq!(found, expected);
            assert!(found.to_string().ends_with(&format!("did you mean `{meant}`?")), "{found}");
        }
    }

    #[test]
    fn other_unknown_members_are_ignored_and_kept_for_explanations() {
        let item = item(r#""priority":1,"@odata.type":"x","a\u0000b":[]"#);
        assert!(item.content.is_ok());
        assert_eq!(item.subject.form.ignored, ["priority".into(), "@odata.type".into(), "ab".into()]);
    }

    #[test]
    fn graph_takes_another_name_for_dependencies() {
        let body = Bytes::from_static(
            br#"{"requests":[{"method":"GET","url":"/a","depends_on":["1",2]},{"method":"GET","url":"/a","depends-on":[]}]}"#,
        );
        let conventions = Conventions { other_depends_on: Some("depends_on"), ..Conventions::default() };
        let items = read_with(&body, &BatchLimits::default(), conventions).unwrap().items;
        assert_eq!(items[0].content.as_ref().unwrap().depends_on, ["1".into(), "2".into()]);
        assert!(items[1].content.is_err());
    }

    #[test]
    fn conditions_are_read() {
        let content = item(r#""if":"$a/$succeeded\u0020and true""#).content.unwrap();
        assert_eq!(content.condition.unwrap().to_string(), "$a/$succeeded and true");
        let bad = rejection(item(r#""if":"$a eq""#));
        assert!(matches!(bad, ItemRejection::BadCondition { column: 6, .. }), "{bad:?}");
        let other = rejection(item(r#""if":"now() gt $a/x""#));
        assert_eq!(other, ItemRejection::UnsupportedCondition { what: "now".to_owned() });
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
