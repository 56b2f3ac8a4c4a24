//! The answer to GET on a batch endpoint: its limits, formats and defaults, so that a client can choose the size of its
//! batches (protocol §4).

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::config::BatchEndpoint;
use crate::dialect::{ExecutionPolicy, InputFormat};
use crate::format::{EncodedBody, Format};
use crate::plan::Preferences;

/// The document of one endpoint.
pub(crate) fn limits_document(endpoint: &BatchEndpoint) -> EncodedBody {
    let limits = &endpoint.limits;
    let execution_policy = |format| {
        endpoint.execution_policy(endpoint.dialect, InputFormat::Batch(format), &Preferences::default())
    };
    let formats = Format::ALL.into_iter().filter(|format| endpoint.dialect.formats().contains(format));
    let usual = execution_policy(Format::Json);
    let mut document = json!({
        "endpoint": endpoint.path.as_str(),
        "dialect": endpoint.dialect.name(),
        "formats": formats.map(Format::media_type).collect::<Vec<_>>(),
        "contentEncodings": ["gzip", "br", "zstd"],
        "limits": {
            "maxItems": limits.max_items,
            "maxStreamItems": limits.max_stream_items,
            "maxBody": limits.max_body,
            "maxDepth": limits.max_depth,
            "maxId": limits.max_id,
            "maxUrl": limits.max_url,
            "maxHeaders": limits.max_headers,
            "maxHeaderBytes": limits.max_header_bytes,
            "maxItemReply": limits.max_item_reply,
            "maxReply": limits.max_reply,
            "streamWindow": { "items": limits.stream_window.items, "bytes": limits.stream_window.bytes },
        },
        "concurrency": endpoint.concurrency,
        "deadlineMilliseconds": u64::try_from(endpoint.deadline.as_millis()).unwrap_or(u64::MAX),
        "order": order(usual),
        "continueOnError": !usual.stop_on_error,
        "groups": endpoint.sets.groups.as_str(),
        "changesets": endpoint.sets.changesets.as_str(),
        "replyStatus": endpoint.reply_status.as_u16(),
        "preferences": Preferences::KNOWN,
    });
    // Clients of multipart learn where it differs.
    let multipart = execution_policy(Format::Multipart);
    let members = document.as_object_mut().filter(|_| multipart != usual);
    if let Some(members) = members {
        let differs = json!({ "order": order(multipart), "continueOnError": !multipart.stop_on_error });
        members.insert("multipart".to_owned(), differs);
    }
    let text = format!("{document:#}\n");
    EncodedBody { content_type: "application/json".into(), chunks: vec![Bytes::from(text)] }
}

/// The JSON Schema of [`limits_document`].
pub(crate) fn limits_schema() -> Value {
    let number = json!({ "type": "integer", "minimum": 0 });
    let text = json!({ "type": "string" });
    let texts = json!({ "type": "array", "items": text });
    let truth = json!({ "type": "boolean" });
    let object = |members: Value| {
        let required: Vec<_> = members.as_object().into_iter().flat_map(Map::keys).cloned().collect();
        json!({ "type": "object", "required": required, "properties": members })
    };
    let execution = json!({ "order": text, "continueOnError": truth });
    let mut schema = object(json!({
        "endpoint": text,
        "dialect": text,
        "formats": texts,
        "contentEncodings": texts,
        "limits": object(json!({
            "maxItems": number,
            "maxStreamItems": number,
            "maxBody": number,
            "maxDepth": number,
            "maxId": number,
            "maxUrl": number,
            "maxHeaders": number,
            "maxHeaderBytes": number,
            "maxItemReply": number,
            "maxReply": number,
            "streamWindow": object(json!({ "items": number, "bytes": number })),
        })),
        "concurrency": number,
        "deadlineMilliseconds": number,
        "order": text,
        "continueOnError": truth,
        "groups": text,
        "changesets": text,
        "replyStatus": number,
        "preferences": texts,
    }));
    if let Some(members) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        members.insert("multipart".to_owned(), object(execution));
    }
    schema
}

const fn order(execution_policy: ExecutionPolicy) -> &'static str {
    if execution_policy.sequential { "sequential" } else { "parallel" }
}
