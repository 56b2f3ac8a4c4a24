//! The access log: a line for each request and each batch, and for items that failed or were slow. It has a form, a level,
//! fields and a destination of its own (`log.access`), apart from warnings.
//!
//! In: records. Out: complete lines for the log's writer. A line is made field by field into one buffer, without the layers of
//! `tracing`. What a client sends is always a value and never part of a line's form, so that nobody can begin a line of
//! their own. Never logged: bodies, credentials, queries.

mod combined;
mod fields;
mod line;

use std::time::Duration;

use crate::config::{AccessField, AccessFormat, AccessLevel, LogSettings};
use crate::dispatch::Timeline;

use super::item_record::ItemRecord;
use super::log_writer::LogWriter;
use super::names::Names;
use super::record::{BatchEnd, BatchRecord, RequestRecord, Sender};
use super::trace::{RequestId, TraceContext};
use combined::{Exchanged, combined};
use fields::{
    BATCH, BatchLine, ITEM, ItemLine, OfBatch, OfItem, OfRequest, OfSender, Put, REQUEST, RequestLine,
    SENDER, TIMES,
};
use line::{Form, Line};

/// Writes the lines of requests, batches and items.
pub struct AccessLog {
    /// `None`: no lines are written.
    writer: Option<LogWriter>,
    level: AccessLevel,
    format: AccessFormat,
    request: Vec<Column<OfRequest>>,
    batch: Vec<Column<OfBatch>>,
    item: Vec<Column<OfItem>>,
    /// A request that takes this long is slow.
    slow: Duration,
}

impl AccessLog {
    /// One that writes nothing.
    #[must_use]
    pub const fn off() -> Self {
        Self {
            writer: None,
            level: AccessLevel::Off,
            format: AccessFormat::Json,
            request: Vec::new(),
            batch: Vec::new(),
            item: Vec::new(),
            slow: Duration::MAX,
        }
    }

    /// One that writes as the settings say.
    pub(super) fn new(settings: &LogSettings, writer: LogWriter) -> Self {
        let access = &settings.access;
        let chosen = access.fields.as_deref().unwrap_or(&AccessField::ALL);
        Self {
            writer: Some(writer),
            level: settings.access_level(),
            format: access.format.unwrap_or_else(|| settings.format.into()),
            request: columns(chosen, REQUEST, Also::Both),
            batch: columns(chosen, BATCH, Also::Sender),
            item: columns(chosen, ITEM, Also::Times),
            slow: settings.slow,
        }
    }

    /// Whether every item has a line.
    #[must_use]
    pub fn takes_all_items(&self) -> bool {
        self.level == AccessLevel::Items
    }

    /// Writes a batch's line, and those of its items that failed or were slow.
    #[inline(never)] // tests/benches/instructions.py finds it by its name
    pub(super) fn log_batch(&self, sender: &Sender<'_>, batch: &BatchRecord) {
        let is_ordinary = match batch.end {
            BatchEnd::Ok | BatchEnd::Explained => batch.kept.slow == 0,
            BatchEnd::Partial | BatchEnd::Failed | BatchEnd::Refused(_) | BatchEnd::ClientGone => false,
        };
        match self.level {
            AccessLevel::Off => return,
            AccessLevel::Failed if is_ordinary => return,
            AccessLevel::Failed | AccessLevel::Requests | AccessLevel::Items => {}
        }
        if self.format == AccessFormat::Combined {
            let (status, bytes_out) = (Some(batch.status), batch.bytes_out);
            return self.write_combined(&Exchanged { sender, status, bytes_out });
        }
        self.write_batch(&BatchLine { sender, batch });
        if !self.takes_all_items() {
            for item in &batch.kept.records {
                self.log_item(sender.request_id, sender.trace, item);
            }
        }
    }

    /// Writes an item's line.
    pub fn log_item(&self, request_id: &RequestId, trace: TraceContext, item: &ItemRecord) {
        self.write_item(&ItemLine { request_id, trace, item });
    }

    /// Writes the line of a request that is not a batch.
    #[inline(never)] // tests/benches/instructions.py finds it by its name
    pub(super) fn log_request(&self, sender: &Sender<'_>, request: &RequestRecord, names: Names<'_>) {
        let failed = request.reason.is_some() || request.status.is_none_or(|status| status.as_u16() >= 400);
        let slow = request.lasted.is_none() && request.elapsed >= self.slow;
        match self.level {
            AccessLevel::Off => return,
            AccessLevel::Failed if !failed && !slow => return,
            AccessLevel::Failed | AccessLevel::Requests | AccessLevel::Items => {}
        }
        if self.format == AccessFormat::Combined {
            let (status, bytes_out) = (request.status, request.bytes_out);
            return self.write_combined(&Exchanged { sender, status, bytes_out });
        }
        self.write_request(&RequestLine { sender, request, names });
    }

    fn write_item(&self, of: &ItemLine<'_>) {
        let timeline = &of.item.report.timeline;
        self.write(&self.item, |part, line| match part {
            Part::Own(put) => put(of, line),
            Part::Times(put) => put(timeline, line),
            Part::Sender(_) => {}
        });
    }

    fn write_batch(&self, of: &BatchLine<'_>) {
        self.write(&self.batch, |part, line| match part {
            Part::Own(put) => put(of, line),
            Part::Sender(put) => put(of.sender, line),
            Part::Times(_) => {}
        });
    }

    fn write_request(&self, of: &RequestLine<'_>) {
        self.write(&self.request, |part, line| match part {
            Part::Own(put) => put(of, line),
            Part::Sender(put) => put(of.sender, line),
            Part::Times(put) => {
                if let Some(timeline) = &of.request.timeline {
                    put(timeline, line);
                }
            }
        });
    }

    fn write<F>(&self, columns: &[Column<F>], put: impl Fn(&Part<F>, &mut Line)) {
        let (Some(writer), Some(form)) = (&self.writer, self.form()) else { return };
        let mut line = Line::new(form);
        for column in columns {
            line.at(column.field);
            put(&column.part, &mut line);
        }
        writer.put(&line.end());
    }

    /// `None`: the combined form, which has no fields.
    const fn form(&self) -> Option<Form> {
        match self.format {
            AccessFormat::Json => Some(Form::Json),
            AccessFormat::Text => Some(Form::Text),
            AccessFormat::Combined => None,
        }
    }

    fn write_combined(&self, exchanged: &Exchanged<'_>) {
        if let Some(writer) = &self.writer {
            writer.put(&combined(exchanged));
        }
    }
}

/// One field of a kind of line.
struct Column<F> {
    field: AccessField,
    part: Part<F>,
}

/// Where the value of a field comes from.
enum Part<F> {
    Own(F),
    Sender(OfSender),
    Times(Put<Timeline>),
}

/// What a kind of line has in addition to its own fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Also {
    Times,
    Sender,
    Both,
}

/// Those of the chosen fields that a kind of line has.
fn columns<F: Copy>(chosen: &[AccessField], own: &[(AccessField, F)], also: Also) -> Vec<Column<F>> {
    let times = if also == Also::Sender { &[] } else { TIMES };
    let sender = if also == Also::Times { &[] } else { SENDER };
    let part = |field: AccessField| {
        find(own, field)
            .map(Part::Own)
            .or_else(|| find(times, field).map(Part::Times))
            .or_else(|| find(sender, field).map(Part::Sender))
    };
    chosen.iter().filter_map(|field| Some(Column { field: *field, part: part(*field)? })).collect()
}

fn find<F: Copy>(table: &[(AccessField, F)], field: AccessField) -> Option<F> {
    table.iter().find(|(own, _)| *own == field).map(|(_, put)| *put)
}

/// The kinds of lines that have this field, for the documentation.
#[cfg(test)]
pub(super) fn kinds_of_lines(field: AccessField) -> Vec<&'static str> {
    let has = [
        ("request", !columns(&[field], REQUEST, Also::Both).is_empty()),
        ("batch", !columns(&[field], BATCH, Also::Sender).is_empty()),
        ("item", !columns(&[field], ITEM, Also::Times).is_empty()),
    ];
    has.into_iter().filter(|(_, has)| *has).map(|(kind, _)| kind).collect()
}

#[cfg(test)]
mod tests;
