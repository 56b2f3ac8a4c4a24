//! Records of each form become items.

use bytes::Bytes;
use http::Method;

use super::*;
use crate::batch::BatchItem;
use crate::batch::{BatchLimits, BatchRefusal};
use crate::batch::{ItemRejection, Place};
use crate::route::UrlTemplate;

fn read_with(
    limits: &BatchLimits,
    method: &Method,
    (content_type, query): (&str, &str),
    body: &str,
) -> Result<Vec<BatchItem>, BatchRefusal> {
    let each = UrlTemplate::parse("/orders/{id}").unwrap();
    let bulk = Bulk { each: &each, method, query };
    let body = Bytes::copy_from_slice(body.as_bytes());
    let form = bulk.form(Some(content_type), &body)?;
    bulk.read(form, &body, limits).map(|batch| batch.items)
}

fn read(content_type: &str, body: &str) -> Result<Vec<BatchItem>, BatchRefusal> {
    read_with(&BatchLimits::default(), &Method::PATCH, (content_type, ""), body)
}

/// Each item as `id url body`, or its rejection.
fn shown(items: &[BatchItem]) -> Vec<String> {
    let line = |item: &BatchItem| match &item.content {
        Ok(content) => {
            let body = content.body.as_ref().map(|body| String::from_utf8_lossy(body).into_owned());
            let media_type = content.headers.first().map(|(_, value)| value.to_str().unwrap());
            assert_eq!(body.is_some(), media_type.is_some());
            format!("{} {} {}", item.subject.id, item.subject.href, body.unwrap_or_default())
        }
        Err(rejection) => format!("{} {rejection}", item.subject.id),
    };
    items.iter().map(line).collect()
}

#[test]
fn json_records_are_sent_unchanged() {
    let items = read(
        "application/json",
        r#" [ {"id":7, "x" : [1.0,"\u00e9"]},{"id":"a/b","id2":1},{"\u0069d":true} ,{"x":{"id":1},"id":-1e5}] "#,
    );
    let expected = [
        r#"1 /orders/7 {"id":7, "x" : [1.0,"\u00e9"]}"#,
        r#"2 /orders/a%2Fb {"id":"a/b","id2":1}"#,
        r#"3 /orders/true {"\u0069d":true}"#,
        r#"4 /orders/-1e5 {"x":{"id":1},"id":-1e5}"#,
    ];
    assert_eq!(shown(&items.unwrap()), expected);
}

#[test]
fn records_without_the_variable_fail_alone() {
    let body =
        r#"[{},{"id":null},{"id":{}},{"id":[1]},{"id":""},{"id":1,"id":2},7,{"id":"\ud800"},{"id":8}]"#;
    let items = shown(&read("application/json", body).unwrap());
    let expected = [
        "1 the record's `id` is missing, but the url needs it",
        "2 the record's `id` is null, but the url needs it",
        "3 the record's `id` is an object, which can't be part of a url",
        "4 the record's `id` is an array, which can't be part of a url",
        "5 the record's `id` is empty, but the url needs it",
        "6 the record's `id` appears twice in the record",
        "7 the item is not an object",
        "8 the record's `id` has a surrogate that is not part of a pair",
        "9 /orders/8 {\"id\":8}",
    ];
    assert_eq!(items, expected);
}

#[test]
fn lines_fail_alone() {
    let items =
        read("application/x-ndjson", "{\"id\":1}\r\n\n {\"id\":2} \n{\"id\"\n[]\n{\"id\":3} x\n{\"id\":4}");
    let expected = [
        "1 /orders/1 {\"id\":1}",
        "2 /orders/2 {\"id\":2}",
        "3 line 4 is not well-formed: expected `:` at column 6",
        "4 the item is not an object",
        "5 line 6 is not well-formed: there is something after the end of the value at column 10",
        "6 /orders/4 {\"id\":4}",
    ];
    assert_eq!(shown(&items.unwrap()), expected);
}

#[test]
fn rows_become_objects_of_strings() {
    let csv = "\u{feff}id,\"na\"\"me\",note\r\n7,\"A, B\",\"two\r\nlines\"\r\n\r\n8,,\"say \"\"hi\"\"\"\n9,x\n,x,y\n";
    let expected = [
        r#"1 /orders/7 {"id":"7","na\"me":"A, B","note":"two\r\nlines"}"#,
        r#"2 /orders/8 {"id":"8","na\"me":"","note":"say \"hi\""}"#,
        "3 line 6 has 2 fields, and the header line 3",
        "4 the record's `id` is empty, but the url needs it",
    ];
    assert_eq!(shown(&read("text/csv; charset=UTF-8", csv).unwrap()), expected);
    let items = read("text/csv", "name\nx\n").unwrap();
    assert_eq!(shown(&items), ["1 the record's `id` is missing, but the url needs it"]);
    assert_eq!(read("text/csv", "id,name\r\n"), Ok(Vec::new()));
}

#[test]
fn elements_become_documents() {
    let xml = "<?xml version='1.0'?><!-- c --><p:list xmlns:p='urn:p' xmlns='urn:d'>\n\
               <order id=' 7 '><x/></order><p:order><id> 8 </id></p:order><order><id><b/></id></order>\
               <order id='1'><id>2</id></order><order><x><id>3</id></x></order></p:list>";
    let expected = [
        "1 /orders/7 <order xmlns=\"urn:d\" id=' 7 '><x/></order>",
        "2 /orders/8 <p:order xmlns:p=\"urn:p\" xmlns=\"urn:d\"><id> 8 </id></p:order>",
        "3 the record's `id` has elements in it, which can't be part of a url",
        "4 the record's `id` appears twice in the record",
        "5 the record's `id` is missing, but the url needs it",
    ];
    let mut found = shown(&read("application/xml", xml).unwrap());
    // The order of declarations does not matter.
    found[1] = found[1].replace("xmlns=\"urn:d\" xmlns:p=\"urn:p\"", "xmlns:p=\"urn:p\" xmlns=\"urn:d\"");
    assert_eq!(found, expected);
}

fn by_query(query: &str) -> Vec<String> {
    shown(&read_with(&BatchLimits::default(), &Method::DELETE, ("", query), "").unwrap())
}

#[test]
fn query_parameters_are_records_without_a_body() {
    assert_eq!(
        by_query("id=1,2&x=y&id=3&&i%64=a%2Cb+c"),
        ["1 /orders/1?x=y ", "2 /orders/2?x=y ", "3 /orders/3?x=y ", "4 /orders/a%2Cb%20c?x=y ",]
    );
    assert_eq!(
        by_query("id=,%zz,%ff"),
        [
            "1 the record's `id` is empty, but the url needs it",
            "2 the record's `id` has a broken percent-encoding",
            "3 the record's `id` is not UTF-8",
        ]
    );
    let refused = read_with(&BatchLimits::default(), &Method::DELETE, ("", "id=1"), "[]");
    assert!(matches!(refused, Err(BatchRefusal::NotABatch { .. })));
}

#[test]
fn a_get_without_the_parameter_is_not_a_bulk() {
    let each = UrlTemplate::parse("/orders/{id}").unwrap();
    let is_meant = |method: &Method, query| Bulk { each: &each, method, query }.is_meant();
    assert!(is_meant(&Method::GET, "a=b&id"));
    assert!(!is_meant(&Method::GET, "idx=1&x=id"));
    assert!(!is_meant(&Method::DELETE, ""));
    assert!(is_meant(&Method::PATCH, ""));
}

#[test]
fn the_rest_of_the_query_goes_along() {
    let items = read_with(&BatchLimits::default(), &Method::PUT, ("", "dry=1"), "[{\"id\":7}]").unwrap();
    assert_eq!(&*items[0].subject.href, "/orders/7?dry=1");
}

#[test]
fn the_form_follows_content_type_or_the_first_byte() {
    let each = UrlTemplate::parse("/orders/{id}").unwrap();
    let bulk = Bulk { each: &each, method: &Method::PATCH, query: "" };
    let form = |content_type, body: &str| bulk.form(content_type, body.as_bytes());
    for content_type in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
        assert_eq!(form(content_type, " ["), Ok(RecordForm::Json));
        assert_eq!(form(content_type, "{"), Ok(RecordForm::Ndjson));
        assert_eq!(form(content_type, "\u{feff}<"), Ok(RecordForm::Xml));
        assert_eq!(form(content_type, "id,x"), Err(BatchRefusal::NoRecords));
    }
    assert_eq!(form(Some("application/jsonl"), "["), Ok(RecordForm::Ndjson));
    assert_eq!(form(Some("Text/CSV; header=present"), "["), Ok(RecordForm::Csv));
    assert_eq!(form(Some("text/csv; charset=latin1"), ""), Err(BatchRefusal::NoRecords));
    assert_eq!(form(Some("multipart/mixed; boundary=a"), ""), Err(BatchRefusal::NoRecords));
}

#[test]
fn a_body_that_is_not_a_collection_is_refused_with_its_place() {
    let place = |content_type, body| match read(content_type, body) {
        Err(BatchRefusal::Malformed { place, .. } | BatchRefusal::NotABatch { place, .. }) => {
            (place.line, place.column, place.item.map(crate::batch::ItemIndex::position))
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(place("application/json", "{\"id\":1}"), (1, 1, None));
    assert_eq!(place("application/json", "[{\"id\":1},\n{\"id\":}]"), (2, 7, Some(2)));
    assert_eq!(place("application/xml", "<a><b id='1'/>\nx</a>"), (1, 15, None));
    assert_eq!(place("text/csv", "id\n\"7"), (2, 1, None));
    assert_eq!(place("text/csv", ""), (1, 1, None));
    assert_eq!(place("text/csv", "id,\n1,2"), (1, 1, None));
    let twice = read("text/csv", "id,id\n1,2");
    assert_eq!(twice, Err(BatchRefusal::DuplicateMember { member: "id".into(), place: Place::at(b"", 0) }));
}

#[test]
fn records_are_counted_while_they_are_read() {
    let limits = BatchLimits { max_items: 2, ..BatchLimits::default() };
    for (content_type, body) in [
        ("application/json", "[{},{},{ no JSON"),
        ("application/x-ndjson", "{}\n{}\n{}\n"),
        ("text/csv", "id\n1\n2\n3\n"),
        ("application/xml", "<a><b/><b/><b></a>"),
    ] {
        let refused = read_with(&limits, &Method::PATCH, (content_type, ""), body);
        assert_eq!(refused, Err(BatchRefusal::TooManyItems { limit: 2 }), "{content_type}");
    }
    let refused = read_with(&limits, &Method::GET, ("", "id=1,2,3"), "");
    assert_eq!(refused, Err(BatchRefusal::TooManyItems { limit: 2 }));
}

#[test]
fn a_long_header_line_does_not_multiply_the_document() {
    let limits = BatchLimits { max_body: 10_000, ..BatchLimits::default() };
    let csv = format!("id,{}\n{}", "x".repeat(4000), "1,\n".repeat(100));
    let refused = read_with(&limits, &Method::PATCH, ("text/csv", ""), &csv);
    assert_eq!(refused, Err(BatchRefusal::BodyTooLarge { limit: 10_000 }));
}

#[test]
fn deep_records_are_refused() {
    let limits = BatchLimits { max_depth: 3, ..BatchLimits::default() };
    let read = |content_type, body: &str| read_with(&limits, &Method::PATCH, (content_type, ""), body);
    assert!(matches!(read("application/json", "[{\"a\":[[1]]}]"), Err(BatchRefusal::TooDeep { .. })));
    let lines = read("application/x-ndjson", "{\"a\":[[[1]]]}\n{\"id\":1}").unwrap();
    assert!(matches!(lines[0].content, Err(ItemRejection::BadRecordLine { line: 1, .. })));
    assert!(lines[1].content.is_ok());
}

proptest::proptest! {
    #[test]
    fn whatever_comes_is_read_or_refused(
        body in "[\\[\\]{}\"',:<>/=&;id0-9 \\r\\n\\\\\u{feff}é.%]{0,60}",
        query in "[id=&,%+2fx]{0,30}",
    ) {
        for content_type in ["application/json", "application/x-ndjson", "text/csv", "text/xml", ""] {
            let limits = BatchLimits { max_items: 5, ..BatchLimits::default() };
            for method in [Method::PATCH, Method::DELETE] {
                let items = read_with(&limits, &method, (content_type, &query), &body).unwrap_or_default();
                proptest::prop_assert!(items.len() <= 5);
                for (index, item) in items.iter().enumerate() {
                    proptest::prop_assert_eq!(item.subject.id.as_str(), (index + 1).to_string());
                    let is_under = item.subject.href.strip_prefix("/orders/").is_some_and(|rest| !rest.is_empty());
                    proptest::prop_assert!(item.content.is_err() || is_under);
                }
            }
        }
    }
}

mod csv_properties {
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    use super::*;

    /// A document with a header line, as the csv crate's writer quotes it.
    fn written(rows: &[Vec<String>], terminator: ::csv::Terminator) -> String {
        let mut writer = ::csv::WriterBuilder::new().terminator(terminator).from_writer(Vec::new());
        writer.write_record(["id", "note", "a \"b\", c"]).unwrap();
        for row in rows {
            writer.write_record(row).unwrap();
        }
        String::from_utf8(writer.into_inner().unwrap()).unwrap()
    }

    fn rows() -> impl Strategy<Value = Vec<Vec<String>>> {
        let id = "[a-z]{1,4}";
        let row =
            (id, "[a\",\r\n\u{feff}é;]{0,6}", "[ -~]{0,6}").prop_map(|(id, note, text)| vec![id, note, text]);
        prop::collection::vec(row, 0..6)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(rows in rows(), end in prop::sample::select(vec![b'\n', b'\r'])) {
            let items = read("text/csv", &written(&rows, ::csv::Terminator::Any(end))).unwrap();
            prop_assert_eq!(items.len(), rows.len());
            for (item, row) in items.iter().zip(&rows) {
                prop_assert_eq!(&*item.subject.href, format!("/orders/{}", row[0]));
                let body = item.content.as_ref().unwrap().body.as_ref().unwrap();
                let names = ["id", "note", "a \"b\", c"].map(str::to_owned);
                let values = row.iter().cloned().map(Value::from);
                let expected = Value::Object(names.into_iter().zip(values).collect::<Map<_, _>>());
                prop_assert_eq!(serde_json::from_slice::<Value>(body).unwrap(), expected);
            }
        }

        #[test]
        fn a_cut_at_any_byte_changes_only_the_last_row(rows in rows()) {
            let document = written(&rows, ::csv::Terminator::CRLF);
            let whole = read("text/csv", &document).unwrap();
            for at in (0..document.len()).filter(|at| document.is_char_boundary(*at)) {
                // Within quotes, the end is missing; within the header, there is another one.
                let Ok(cut) = read("text/csv", &document[..at]) else { continue };
                let kept = cut.len().saturating_sub(1);
                prop_assert_eq!(&cut[..kept], &whole[..kept], "cut at {}", at);
            }
        }
    }
}
