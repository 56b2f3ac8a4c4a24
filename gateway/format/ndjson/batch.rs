//! Reads a batch of lines at once, because its reply is in another format or its body is
//! compressed.

use bytes::Bytes;

use super::item::{check_start, read_line};
use super::lines::Lines;
use crate::batch::{Batch, BatchLimits, BatchRefusal, IdCase};
use crate::format::unique_ids::check_ids;

/// Reads a batch.
pub(crate) fn read(body: &Bytes, limits: &BatchLimits) -> Result<Batch, BatchRefusal> {
    let mut lines = Lines::new(limits.max_body);
    lines.push(body.clone());
    lines.end();
    let mut items = Vec::new();
    while let Some(line) = lines.next_line() {
        check_start(&line)?;
        if items.len() == limits.max_items {
            return Err(BatchRefusal::TooManyItems { limit: limits.max_items });
        }
        items.push(read_line(line, limits));
    }
    check_ids(&mut items, IdCase::Significant)?;
    Ok(Batch { items, ..Batch::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::ItemIndex;

    fn read_batch(body: &'static str) -> Result<Batch, BatchRefusal> {
        let limits = BatchLimits { max_items: 3, ..BatchLimits::default() };
        read(&Bytes::from_static(body.as_bytes()), &limits)
    }

    #[test]
    fn lines_are_items_in_order() {
        let batch =
            read_batch("{\"method\":\"GET\",\"url\":\"/1\"}\n\nno\n{\"method\":\"GET\",\"url\":\"/3\"}");
        let items = batch.unwrap().items;
        let ids: Vec<_> = items.iter().map(|item| item.subject.id.as_str()).collect();
        assert_eq!(ids, ["1", "3", "4"]);
        assert_eq!(items.iter().map(|item| item.content.is_ok()).collect::<Vec<_>>(), [true, false, true]);
        assert_eq!(read_batch(""), Ok(Batch::default()));
    }

    #[test]
    fn what_concerns_the_batch_refuses_it() {
        assert_eq!(read_batch("1\n2\n3\n4"), Err(BatchRefusal::TooManyItems { limit: 3 }));
        assert!(matches!(read_batch("\u{feff}{}"), Err(BatchRefusal::Malformed { .. })));
        let twice =
            read_batch("{\"id\":\"2\",\"method\":\"GET\",\"url\":\"/\"}\n{\"method\":\"GET\",\"url\":\"/\"}");
        assert!(matches!(twice, Err(BatchRefusal::DuplicateId { item: ItemIndex(1), .. })));
    }
}
