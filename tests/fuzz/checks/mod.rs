//! What has to hold for whatever bytes a reader is given: one function a fuzz target, each panics
//! where something does not hold. The fuzzer calls them (`targets/`), and so does a test over the kept
//! inputs (`tests/kept_inputs.rs`), so that they stay true without it.

#![allow(dead_code, reason = "each fuzz target calls one of them")]

mod batches;
mod codings;
mod configurations;
mod csv_rows;
mod negotiations;
mod plain_replies;
mod records;
mod references;
mod replies;
mod upstream_replies;
mod urls;
mod xml_events;

pub(crate) use batches::{json_batch, multipart_batch, ndjson_batch, xml_batch};
pub(crate) use codings::content_coding;
pub(crate) use configurations::configuration;
pub(crate) use negotiations::negotiation;
pub(crate) use records::{bulk, bulk_csv};
pub(crate) use references::references;
pub(crate) use replies::writers;
pub(crate) use upstream_replies::upstream_replies;
pub(crate) use urls::item_url;
pub(crate) use xml_events::dav_hrefs;

/// A check by the name of its target and of its folder in `corpus/`.
pub(crate) type Check = fn(&[u8]);

/// All checks.
pub(crate) const CHECKS: [(&str, Check); 14] = [
    ("json_batch", json_batch),
    ("xml_batch", xml_batch),
    ("multipart_batch", multipart_batch),
    ("ndjson_batch", ndjson_batch),
    ("bulk", bulk),
    ("bulk_csv", bulk_csv),
    ("content_coding", content_coding),
    ("item_url", item_url),
    ("references", references),
    ("negotiation", negotiation),
    ("configuration", configuration),
    ("writers", writers),
    ("dav_hrefs", dav_hrefs),
    ("upstream_replies", upstream_replies),
];

/// The first line of the input, which says how the rest is to be read, and the rest.
fn first_line(input: &[u8]) -> Option<(&str, &[u8])> {
    let end = input.iter().position(|byte| *byte == b'\n')?;
    Some((std::str::from_utf8(&input[..end]).ok()?, &input[end + 1..]))
}
