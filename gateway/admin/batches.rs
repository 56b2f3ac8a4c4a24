//! `/batches`: the last batches and some of their items, as JSON.

use std::time::Duration;

use serde_json::{Value, json};

use crate::clock::Stopwatch;
use crate::dispatch::{AttemptTimes, FailedConnect, Timeline};
use crate::telemetry::{BatchEnd, ItemRecord, RecentBatch, RecentBatches, connect_reason};

/// The batches that are kept, the newest first, one a line.
pub(super) fn list(recent: &RecentBatches) -> String {
    let batches: Vec<_> = recent.newest_first().iter().map(|batch| shown(batch).to_string()).collect();
    format!("{{\"batches\":[{}]}}\n", batches.join(",\n "))
}

fn shown(batch: &RecentBatch) -> Value {
    let items: Vec<_> = batch.items.iter().map(|item| item_of(batch, item)).collect();
    json!({
        "id": batch.id.as_str(),
        "endpoint": batch.endpoint,
        "format": batch.format,
        "started": batch.started.as_secs_f64(),
        "duration_ms": milliseconds(batch.duration),
        "outcome": batch.end.as_str(),
        "reason": if let BatchEnd::Refused(reason) = batch.end { reason } else { "" },
        "status": batch.status.as_u16(),
        "item_count": batch.summary.items,
        "failed": batch.summary.failed,
        "items": items,
        "omitted": batch.omitted(),
    })
}

fn item_of(batch: &RecentBatch, record: &ItemRecord) -> Value {
    let (item, timeline) = (&record.report, &record.report.timeline);
    let span = timeline.attempts.last().and_then(|attempt| attempt.span);
    let after = batch.after.iter().find(|after| after.position == record.position);
    json!({
        "position": record.position,
        "id": record.id,
        "method": item.method,
        "path": record.path,
        "route": record.route,
        "upstream": record.upstream,
        "target": timeline.target(),
        "status": item.status.as_u16(),
        "outcome": item.outcome.as_str(),
        "reason": item.reason.unwrap_or(""),
        "limit": item.limit.as_ref().map(ToString::to_string),
        "coalesced": item.coalesced,
        "start_ms": milliseconds(timeline.queued.since(batch.began)),
        "queued_ms": timeline.queue_time().map(milliseconds),
        "connect_ms": timeline.connect_time().map(milliseconds),
        "first_byte_ms": timeline.first_byte_time().map(milliseconds),
        "total_ms": timeline.total().map(milliseconds),
        "attempts": timeline.attempts.count(),
        "calls": timeline.attempts.iter().map(|call| call_of(batch.began, call)).collect::<Vec<_>>(),
        "not_connected": not_connected(batch.began, timeline),
        "span_id": span.map(|span| span.to_string()),
        "after": after.map(|after| &after.items),
    })
}

/// One attempt; its times count from the start of the batch.
fn call_of(began: Stopwatch, attempt: &AttemptTimes) -> Value {
    let since = |mark: Stopwatch| milliseconds(mark.since(began));
    json!({
        "target": &*attempt.target,
        "status": attempt.status.map(|status| status.as_u16()),
        "connected_ms": attempt.connected.map(since),
        "sent_ms": since(attempt.sent),
        "first_byte_ms": attempt.first_byte.map(since),
        "end_ms": since(attempt.end),
    })
}

/// The targets that could not be connected to.
fn not_connected(began: Stopwatch, timeline: &Timeline) -> Vec<Value> {
    let since = |mark: Stopwatch| milliseconds(mark.since(began));
    let shown = |failed: &FailedConnect| {
        json!({
            "target": &*failed.target,
            "reason": connect_reason(failed),
            "start_ms": since(failed.began),
            "end_ms": since(failed.end),
        })
    };
    timeline.attempts.failed_connects.iter().map(shown).collect()
}

/// With three decimals, as in the log.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
