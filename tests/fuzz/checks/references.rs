//! References to earlier results: what is parsed says itself again, and filling them in changes
//! nothing else.

use std::convert::Infallible;

use batchgate::batch::BatchLimits;
use batchgate::dialect::Dialect;
use batchgate::format::{Format, ReadContext};
use batchgate::reference::expression::{EXPRESSION_START, TextTemplate, may_have_expressions};
use bytes::Bytes;
use serde_json::json;

pub(crate) fn references(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match TextTemplate::parse(text) {
        Ok(template) => check(text, &template),
        Err(error) => {
            assert!(error.reference.starts_with(EXPRESSION_START));
            assert!(error.reference.chars().count() <= EXPRESSION_START.len() + 64);
        }
    }
    in_items(text);
}

fn check(text: &str, template: &TextTemplate) {
    let count = template.expressions().count();
    assert!(count == 0 || may_have_expressions(text.as_bytes()));
    for expression in template.expressions() {
        let again = TextTemplate::parse(&expression.to_string()).expect("what was shown can be read");
        assert_eq!(again.sole(), Some(expression));
    }
    let filled = template.fill(|_, _| Ok::<_, Infallible>(String::new()));
    let Ok(filled) = filled;
    assert!(filled.len() <= text.len());
    if !may_have_expressions(text.as_bytes()) {
        assert_eq!(filled, text, "a text without references stands for itself");
    }
}

/// The same text as an item's url, field and body.
fn in_items(text: &str) {
    let item = |member: &str, value| {
        let mut item = json!({"method": "PUT", "url": "/x"});
        item[member] = value;
        item
    };
    let items =
        [item("url", json!(text)), item("headers", json!({"X-A": text})), item("body", json!([text]))];
    let body = Bytes::from(json!({"requests": items}).to_string());
    let limits = BatchLimits::default();
    let context = ReadContext {
        limits: &limits,
        content_type: None,
        endpoint: "/batch",
        query: "",
        own_authority: "gw",
        reply: Format::Json,
    };
    let batch =
        Dialect::default().read(Format::Json, &body, &context).expect("a batch that serde_json wrote");
    assert_eq!(batch.items.len(), items.len());
    let is_wrong = TextTemplate::parse(text).is_err();
    let [_, header, body] = batch.items.as_slice() else { panic!("three items") };
    assert!(!is_wrong || header.content.is_err(), "a broken reference in a field");
    assert!(!is_wrong || body.content.is_err(), "a broken reference in a body");
}
