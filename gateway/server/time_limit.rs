//! The time that a proxied request has in all (`timeout.request`). pingora's own limits are for each read and write, so
//! a service that drips, or a client that sends or reads a little now and then, would hold its turn at the upstream for
//! good.
//!
//! Three places look at it. The hooks do, with each piece of a body, and the client's connection over HTTP/1, where a
//! read or a write has to wait ([`is_over`]): both end the exchange in an orderly way, with a 504 if nothing of
//! the reply has been sent. What neither sees, such as a header that comes byte by byte for a client of HTTP/2, is
//! given up by [`within`] a little later.

use std::cell::Cell;
use std::time::Duration;

use crate::clock::Deadline;

/// For the orderly end.
const GRACE: Duration = Duration::from_secs(5);

tokio::task_local! {
    /// Of the request that this task serves: when its time is over, if it has one.
    static ENDS: Cell<Option<Deadline>>;
}

/// Serves a request; `None` if it had to be given up.
pub(super) async fn within<Served>(serving: impl Future<Output = Served> + Send) -> Option<Served> {
    let serving = async {
        tokio::select! {
            biased;
            served = serving => Some(served),
            () = overdue() => None,
        }
    };
    ENDS.scope(Cell::new(None), serving).await
}

/// Returns when the request has to be given up. It is polled after whatever sets the time.
async fn overdue() {
    let ends =
        std::future::poll_fn(|_| ends().map_or(std::task::Poll::Pending, std::task::Poll::Ready)).await;
    // Wakes the task, so that what waits in it sees that the time is over.
    ends.come().await;
    Deadline::after(GRACE).come().await;
}

fn ends() -> Option<Deadline> {
    ENDS.try_with(Cell::get).ok().flatten()
}

/// From here on the request that this task serves has until then.
pub(super) fn set(ends: Deadline) {
    let _ = ENDS.try_with(|cell| cell.set(Some(ends)));
}

/// The time was over and the exchange ends; what is left of it, the 504, has [`GRACE`].
pub(super) fn lift() {
    let _ = ENDS.try_with(|cell| cell.set(None));
}

/// Whether the time is over of the request that this task serves.
pub(super) fn is_over() -> bool {
    ends().is_some_and(Deadline::is_over)
}
