//! A client that does not take anything early.

use super::*;

/// A client that waits for all items at once, and leaves when its future ends.
pub(super) struct Waiting<'test>(BoxFuture<'test, ()>);

impl<'test> Waiting<'test> {
    pub(super) fn until(leaves: impl Future<Output = ()> + Send + 'test) -> Self {
        Self(leaves.boxed())
    }
}

impl Client for Waiting<'_> {
    async fn attend<E: Engine>(&mut self, batch: &InOrder<'_, E>) {
        tokio::select! {
            biased;
            () = batch.end() => {}
            () = &mut self.0 => {}
        }
    }
}
