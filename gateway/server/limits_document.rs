//! What GET on a batch endpoint answers: its limits, formats and defaults, so that a client can cut
//! its batches to size (protocol §4).

use bytes::Bytes;
use serde_json::json;

use crate::format::{Format, Written};
use crate::settings::{BatchEndpoint, Order};

/// The document of one endpoint.
pub(super) fn limits_document(endpoint: &BatchEndpoint) -> Written {
    let limits = &endpoint.limits;
    let order = match endpoint.order {
        Order::Parallel => "parallel",
        Order::Sequential => "sequential",
    };
    let formats = Format::ALL.into_iter().filter(|format| format.is_of(endpoint.dialect));
    let document = json!({
        "endpoint": endpoint.path.as_str(),
        "dialect": endpoint.dialect.as_str(),
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
        },
        "concurrency": endpoint.concurrency,
        "deadlineMilliseconds": u64::try_from(endpoint.deadline.as_millis()).unwrap_or(u64::MAX),
        "order": order,
        "continueOnError": true,
        "replyStatus": endpoint.reply_status.as_u16(),
        "preferences": ["return=minimal", "order=sequential", "continue-on-error", "wait", "handling=explain"],
    });
    let text = format!("{document:#}\n");
    Written { content_type: "application/json".into(), chunks: vec![Bytes::from(text)] }
}
