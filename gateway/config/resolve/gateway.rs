//! Limits, log, drain and origins.

use std::num::NonZeroU32;

use http::uri::Authority;
use tracing_subscriber::EnvFilter;

use super::{Resolved, Resolver, all};
use crate::config::document::{
    CorsDocument, Document, DrainDocument, LimitsDocument, LogDocument, LogFormatDocument,
};
use crate::config::yaml::diagnostic::nearest;
use crate::config::yaml::wrappers::At;
use crate::config::{ClientHttp2, Cors, Drain, Limits, LogFormat, LogSettings};

/// RFC 9113 §6.9.1.
const MAX_WINDOW: usize = (1 << 31) - 1;

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

pub(super) fn limits(document: &LimitsDocument) -> Limits {
    Limits {
        memory: document.memory.value.0,
        connections: document.connections,
        connections_per_address: document.connections_per_address,
        hops: document.hops,
        header_bytes: document.header_bytes.value.0,
        header_fields: document.header_fields,
        target_bytes: document.target_bytes.value.0,
        header_timeout: document.header_timeout.0,
        body_timeout: document.body_timeout.0,
        write_timeout: document.write_timeout.0,
        idle_connections: usize::try_from(document.idle_connections).unwrap_or(usize::MAX),
        idle_timeout: document.idle_timeout.0,
        keepalive_timeout: document.keepalive_timeout.0,
        http2: ClientHttp2 {
            streams: NonZeroU32::try_from(document.http2_streams).unwrap_or(NonZeroU32::MAX),
            stream_window: stream_window(document.http2_stream_window.value.0),
        },
    }
}

/// A window as RFC 9113 §6.9.1 allows it; less than what any client may send at first would be no use.
fn stream_window(bytes: usize) -> NonZeroU32 {
    let bytes = bytes.clamp(usize::from(u16::MAX), MAX_WINDOW);
    u32::try_from(bytes).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MAX)
}

pub(super) fn drain(document: &DrainDocument) -> Drain {
    Drain { delay: document.delay.0, deadline: document.deadline.0 }
}

/// How many bodies of a batch `limits.memory` has to have room for: the one as sent and the one decoded.
const BODIES: usize = 2;

/// The part of `limits.memory` that the eldest batch can always have for its replies.
const REPLIES: usize = 3;

/// pingora reads no larger head, and the url library no longer target.
const MAX_HEADER_BYTES: usize = 1 << 20;
const MAX_TARGET_BYTES: usize = 65_534;

impl Resolver<'_> {
    /// Refuses heads that are larger than can be read, and those without room for a request.
    pub(super) fn heads(&mut self, limits: &LimitsDocument) {
        let LimitsDocument { header_bytes, target_bytes, .. } = limits;
        if !(256..MAX_HEADER_BYTES).contains(&header_bytes.value.0) {
            let help = "choose at least 256B and less than 1MiB";
            let _: Resolved<()> = self.refuse(header_bytes.span, "`header_bytes` is out of range", help);
        }
        if !(1..=MAX_TARGET_BYTES).contains(&target_bytes.value.0) {
            let help = "choose at least 1B and at most 65534B";
            let _: Resolved<()> = self.refuse(target_bytes.span, "`target_bytes` is out of range", help);
        } else if target_bytes.value.0 >= header_bytes.value.0 && target_bytes.span.is_some() {
            let message = "`target_bytes` is not smaller than `header_bytes`, which counts the target too";
            self.warn(target_bytes.span, message, "raise `header_bytes`, or lower `target_bytes`");
        }
    }

    /// Refuses a memory in which a batch that is within its own limits would never have room.
    pub(super) fn memory(&mut self, document: &Document) {
        let memory = &document.limits.memory;
        let batch = document.batch.iter().map(|endpoint| endpoint.value.max_body.0);
        let bulk = document.bulk.iter().map(|bulk| bulk.value.max_body.0);
        let body = batch.chain(bulk).max().unwrap_or_default();
        let least = body.saturating_mul(BODIES * 2);
        if memory.value.0 < least {
            let message = "`memory` is too small for the largest batch that may come";
            let help = format!(
                "raise it to {}MiB at least, which is four times `max_body`, or lower `max_body`",
                least.div_ceil(1 << 20)
            );
            let _: Resolved<()> = self.refuse(memory.span, message, help);
            return;
        }
        let batch = document.batch.iter().map(|endpoint| endpoint.value.max_reply.0);
        let bulk = document.bulk.iter().map(|bulk| bulk.value.max_reply.0);
        let reply = batch.chain(bulk).max().unwrap_or_default();
        if memory.span.is_some() && reply > memory.value.0 / REPLIES {
            let message = "one batch's replies may be more than `memory` has room for beside other batches";
            self.warn(memory.span, message, "raise it to three times `max_reply`, or lower `max_reply`");
        }
    }

    pub(super) fn log(&mut self, document: &LogDocument) -> Resolved<LogSettings> {
        self.level(&document.level)?;
        Ok(LogSettings {
            format: match document.format {
                LogFormatDocument::Json => LogFormat::Json,
                LogFormatDocument::Text => LogFormat::Text,
            },
            level: document.level.value.clone(),
        })
    }

    /// A filter takes any lone word that is no level for a module's name, and would log nothing at all;
    /// so those are checked here.
    fn level(&mut self, level: &At<String>) -> Resolved<()> {
        let stray = level.value.split(',').map(str::trim).find(|directive| {
            !directive.contains(['=', '['])
                && !LEVELS.iter().any(|level| level.eq_ignore_ascii_case(directive))
        });
        if stray.is_none() && EnvFilter::builder().parse(&level.value).is_ok() {
            return Ok(());
        }
        let help = match stray.and_then(|stray| nearest(stray, LEVELS)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("write one of {}; by part: `warn,batchgate=debug`", LEVELS.join(", ")),
        };
        self.refuse(level.span, format!("{} is not a log level", level.shown()), help)
    }

    pub(super) fn cors(&mut self, document: &CorsDocument) -> Resolved<Cors> {
        let origins = document.allow_origins.iter().map(|origin| self.origin(origin)).collect();
        let origins = all(origins);
        let headers = document.allow_headers.iter().map(|name| self.header_name(name)).collect();
        Ok(Cors {
            allow_origins: origins?,
            allow_headers: all(headers)?,
            allow_credentials: document.allow_credentials,
            max_age: document.max_age.0,
        })
    }

    fn origin(&mut self, origin: &At<String>) -> Resolved<String> {
        if let Some(origin) = normal_origin(&origin.value) {
            return Ok(origin);
        }
        let help = match origin.value.as_str() {
            "*" | "null" => "name each origin; any page at all could post batches otherwise",
            _ => "write `https://host` or `https://host:port`, nothing behind it",
        };
        self.refuse(origin.span, format!("{} is not an origin", origin.shown()), help)
    }
}

/// An origin as browsers send it: lower case, no default port (RFC 6454 §6.2).
fn normal_origin(origin: &str) -> Option<String> {
    let origin = origin.to_ascii_lowercase();
    let (scheme, authority) = origin.split_once("://")?;
    let default_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return None,
    };
    let valid = authority.parse::<Authority>().is_ok_and(|parsed| !parsed.host().is_empty());
    if !valid || authority.contains('@') {
        return None;
    }
    Some(format!("{scheme}://{}", authority.strip_suffix(default_port).unwrap_or(authority)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_as_browsers_send_them() {
        for (written, normal) in [
            ("https://App.example", Some("https://app.example")),
            ("https://app.example:443", Some("https://app.example")),
            ("http://app.example:8080", Some("http://app.example:8080")),
            ("https://app.example/", None),
            ("https://u@app.example", None),
            ("app.example", None),
            ("*", None),
            ("null", None),
        ] {
            assert_eq!(normal_origin(written).as_deref(), normal, "{written}");
        }
    }
}
