//! The members of a JSON item, one kind of fault after the other.

use std::time::Duration;

use super::*;
use crate::batch::{Batch, BatchRefusal, ItemRejection};
use crate::format::json::reader::read as read_with;

fn read(body: &Bytes, limits: &BatchLimits) -> Result<Batch, BatchRefusal> {
    read_with(body, limits, JsonInput::default())
}

/// An item with a method, a url and these members.
fn item(members: &str) -> BatchItem {
    complete_item(&format!(
        r#"{{"method":"PUT","url":"/a"{}{members}}}"#,
        if members.is_empty() { "" } else { "," }
    ))
}

fn complete_item(item: &str) -> BatchItem {
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
    assert_eq!(item.content, Ok(crate::batch::Item::default()));
}

#[test]
fn only_an_object_is_an_item() {
    for text in ["1", "null", "\"x\"", "[]", "true"] {
        assert_eq!(rejection(complete_item(text)), NO_OBJECT, "{text}");
    }
}

#[test]
fn method_and_url_have_to_be_there() {
    assert_eq!(
        rejection(complete_item(r#"{"url":"/"}"#)),
        ItemRejection::MissingMember { member: "method", instead: None }
    );
    assert_eq!(
        rejection(complete_item(r#"{"method":"GET"}"#)),
        ItemRejection::MissingMember { member: "url", instead: None }
    );
    assert_eq!(
        rejection(complete_item("{}")),
        ItemRejection::MissingMember { member: "method", instead: None }
    );
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
        let rejected = rejection(complete_item(&format!("{{\"{name}\":{value}}}")));
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
        assert_eq!((subject.id.as_str(), subject.form.id), (digits, crate::batch::IdForm::Number));
    }
}

#[test]
fn dialects_that_have_string_ids_say_so() {
    let read = |members: &str| {
        let body = Bytes::from(format!(r#"{{"requests":[{{"method":"GET","url":"/a",{members}}}]}}"#));
        let conventions = JsonInput { ids_are_strings: true, ..JsonInput::default() };
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
    let conventions = JsonInput { other_depends_on: Some("depends_on"), ..JsonInput::default() };
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
    assert_eq!(error(r#"{"Content-Type":["a/b","c/d"]}"#), FieldError::Once);
}

#[test]
fn members_are_counted() {
    let members: Vec<_> = (0..70).map(|index| format!("\"m{index}\":0")).collect();
    let body = Bytes::from(format!("{{\"requests\":[{{{}}}]}}", members.join(",")));
    assert!(matches!(read(&body, &BatchLimits::default()), Err(BatchRefusal::NotABatch { .. })));
}
