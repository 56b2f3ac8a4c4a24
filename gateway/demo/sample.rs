//! The batch that the demonstration sends: a little of everything, and one item for each way to fail.

/// The path of the batch endpoint.
pub(super) const ENDPOINT: &str = "/batch";

/// The batch, with one item per line.
pub(super) const BATCH: &str = r#"{"requests":[
  {"id":"read","method":"GET","url":"/orders/1"},
  {"id":"pay","method":"PATCH","url":"/orders/7","body":{"status":"paid"}},
  {"id":"create","method":"PUT","url":"/orders/21","body":{"customer":"Barbara","article":"lamp","quantity":2}},
  {"id":"delete","method":"DELETE","url":"/orders/3"},
  {"id":"xml","method":"PATCH","url":"/legacy/orders/8","headers":{"Content-Type":"text/xml"},"body":"<order><status>cancelled</status></order>"},
  {"id":"note","method":"PUT","url":"/notes/2","headers":{"Content-Type":"text/plain"},"body":"Leave it at the door."},
  {"id":"picture","method":"GET","url":"/pictures/1"},
  {"id":"slow","method":"GET","url":"/orders/9"},
  {"id":"missing","method":"GET","url":"/orders/99"},
  {"id":"conflict","method":"PATCH","url":"/orders/4","body":{"status":"paid"}},
  {"id":"stale","method":"PATCH","url":"/orders/6","headers":{"If-Match":"\"6.0\""},"body":{"quantity":9}},
  {"id":"broken","method":"GET","url":"/orders/13"},
  {"id":"forbidden","method":"DELETE","url":"/pictures/1"},
  {"id":"nowhere","method":"GET","url":"/warehouse/1"}
]}
"#;

/// A smaller batch to paste into a shell, in JSON; it has no single quote.
pub(super) const JSON_TO_TRY: &str = r#"{"requests":[{"method":"GET","url":"/orders/1"},{"method":"PATCH","url":"/orders/6","body":{"status":"paid"}}]}"#;

/// Records for the bulk route.
pub(super) const RECORDS_TO_TRY: &str =
    r#"[{"id":7,"status":"paid"},{"id":10,"quantity":3},{"id":99,"status":"paid"}]"#;

/// The same in XML.
pub(super) const XML_TO_TRY: &str = r#"<batch><request method="GET" href="/legacy/orders/1"/><request method="PATCH" href="/legacy/orders/6"><body><order><status>paid</status></order></body></request></batch>"#;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::legacy::LegacyApi;
    use bytes::Bytes;
    use http::Request;
    use serde_json::Value;

    /// The item as the gateway would send it: a JSON body unless the item has a Content-Type.
    fn call(item: &Value) -> Request<Bytes> {
        let mut request =
            Request::builder().method(item["method"].as_str().unwrap()).uri(item["url"].as_str().unwrap());
        for (name, value) in item["headers"].as_object().into_iter().flatten() {
            request = request.header(name, value.as_str().unwrap());
        }
        let body = match (&item["body"], item["headers"].get("Content-Type")) {
            (Value::Null, _) => String::new(),
            (Value::String(text), Some(_)) => text.clone(),
            (json, _) => json.to_string(),
        };
        request.body(Bytes::from(body)).unwrap()
    }

    #[test]
    fn each_item_shows_what_its_id_says() {
        let batch: Value = serde_json::from_str(BATCH).unwrap();
        let api = LegacyApi::new();
        let statuses: Vec<(&str, u16)> = batch["requests"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| (item["id"].as_str().unwrap(), api.respond(&call(item)).status().as_u16()))
            .collect();
        let from_the_api = [
            ("read", 200),
            ("pay", 200),
            ("create", 201),
            ("delete", 204),
            ("xml", 200),
            ("note", 201),
            ("picture", 200),
            ("slow", 200),
            ("missing", 404),
            ("conflict", 409),
            ("stale", 412),
            ("broken", 500),
        ];
        // The last two never get here: the gateway rejects them.
        assert_eq!(statuses[..12], from_the_api);
        assert_eq!(statuses[12..].iter().map(|(id, _)| *id).collect::<Vec<_>>(), ["forbidden", "nowhere"]);
    }

    #[test]
    fn the_commands_to_paste_are_well_formed() {
        serde_json::from_str::<Value>(JSON_TO_TRY).unwrap();
        let mut reader = quick_xml::Reader::from_str(XML_TO_TRY);
        while !matches!(reader.read_event().unwrap(), quick_xml::events::Event::Eof) {}
        assert!(!JSON_TO_TRY.contains('\'') && !XML_TO_TRY.contains('\''));
    }
}
