//! Tyk's batch endpoint: `{"requests":[{"method","headers","body","relative_url"}],"suppress_parallel_execution"}`.
//! A `relative_url` is relative to the API's listen path, which is what stands before `/tyk/batch/` in the
//! endpoint's path.

use super::item::PlainItem;
use super::reader::Plain;
use super::value::scalar;
use crate::batch::{BatchItem, ItemIndex};
use crate::format::ReadContext;
use crate::format::item_builder::{ItemBuilder, MemberNames};
use crate::format::json::error::JsonError;
use crate::format::json::lexer::Lexer;

/// The members that an item can have.
const KNOWN: [&str; 5] = ["method", "headers", "body", "encoding", "relative_url"];

const NAMES: MemberNames = MemberNames { url: "relative_url" };

/// What holds for all items.
#[derive(Debug, Default)]
pub(super) struct Requests {
    one_by_one: bool,
}

impl<'a> Plain<'a> for Requests {
    const ITEMS: &'static str = "requests";
    const KNOWN: &'static [&'static str] = &["requests", "suppress_parallel_execution"];
    const MISSING: &'static str = "expected an object with the member `requests`";
    const NO_LIST: &'static str = "the member `requests` is no array";

    fn read_shared(
        &mut self,
        lexer: &mut Lexer<'a>,
        name: &str,
        _: &ReadContext<'_>,
    ) -> Result<(), JsonError> {
        let value = lexer.value()?;
        if name == "suppress_parallel_execution" {
            self.one_by_one = value == "true";
        }
        Ok(())
    }

    fn read_item(
        &self,
        lexer: &mut Lexer<'a>,
        index: ItemIndex,
        context: &ReadContext<'_>,
    ) -> Result<BatchItem, JsonError> {
        let mut item = PlainItem::new(ItemBuilder::new(context.limits, NAMES));
        item.read(lexer, |builder, lexer, name| {
            if name != "relative_url" {
                lexer.value()?;
                builder.meet_unknown(name, &KNOWN);
                return Ok(());
            }
            match scalar(lexer)? {
                Some(url) => {
                    builder.set_url(&in_listen_path(&url, context.endpoint));
                    builder.set_written_url(&url);
                }
                None => builder.reject_member("relative_url", "is not a string"),
            }
            Ok(())
        })?;
        Ok(item.finish(index))
    }

    fn sequential(&self) -> bool {
        self.one_by_one
    }
}

/// The url below the listen path, with one slash between them.
pub(super) fn in_listen_path(url: &str, endpoint: &str) -> String {
    let endpoint = endpoint.trim_end_matches('/');
    let listen_path = endpoint.strip_suffix("/tyk/batch");
    let listen_path =
        listen_path.or_else(|| endpoint.rsplit_once('/').map(|(folder, _)| folder)).unwrap_or_default();
    format!("{listen_path}/{}", url.strip_prefix('/').unwrap_or(url))
}
