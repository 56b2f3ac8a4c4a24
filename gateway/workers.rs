//! Worker threads: each has a runtime of its own, and serves the connections that it was given from their first byte to
//! their last.
//!
//! **Why a runtime for each thread.** With one runtime for all threads, a connection's next event may wake it on another
//! thread. That is a wake-up between threads for nearly every request, and costs a fifth of what a small batch costs
//! (`decisions/0018-a-runtime-for-each-core.md`). Here a client's connection and the connections to targets that it uses belong
//! to the same thread.
//!
//! In: tasks that serve a connection. Each goes to the worker with the fewest connections, among equals to the first one, so
//! that a quiet gateway uses few threads and their idle connections to targets. Out: nothing; a task runs to its end.
//!
//! Invariants: a task never changes its thread. When the workers are dropped, the tasks are too, on their threads.

use std::cell::Cell;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// How long the timer lasts that always runs.
const TICK: Duration = Duration::from_secs(1);

thread_local! {
    /// The place of this thread; 0 for all threads that are not workers.
    static PLACE: Cell<usize> = const { Cell::new(0) };
}

/// The place of the current thread: from 1 for worker threads, 0 for all others. What is kept for each thread is kept by
/// this number.
pub(crate) fn place() -> usize {
    PLACE.get()
}

/// How many workers there are where the configuration does not say it: one for each core that this process may use.
pub(crate) fn one_for_each_core() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// The worker threads.
#[derive(Debug)]
pub(crate) struct Workers(Vec<Worker>);

#[derive(Debug)]
struct Worker {
    runtime: Handle,
    /// Each of its tasks holds a copy.
    task: Arc<()>,
    /// The thread ends when this is dropped.
    _end: oneshot::Sender<()>,
}

impl Workers {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system has no room for another thread or another runtime.
    pub(crate) fn start(count: NonZeroUsize) -> io::Result<Self> {
        (1..=count.get()).map(Worker::start).collect::<io::Result<_>>().map(Self)
    }

    /// Runs a task on the worker that has the fewest.
    pub(crate) fn run<T: Future<Output = ()> + Send + 'static>(&self, task: T) {
        let Some(worker) = self.0.iter().min_by_key(|worker| worker.tasks()) else { return };
        let counted = Arc::clone(&worker.task);
        worker.runtime.spawn(async move {
            task.await;
            drop(counted);
        });
    }
}

impl Worker {
    fn start(place: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        thread::Builder::new().name(format!("worker-{place}")).spawn(move || {
            PLACE.set(place);
            runtime.block_on(async {
                tokio::select! {
                    // Nothing is ever sent: it ends with an error, when the sender is dropped.
                    _ = ended => {}
                    () = tick() => {}
                }
            });
        })?;
        Ok(Self { runtime: handle, task: Arc::new(()), _end: end })
    }

    fn tasks(&self) -> usize {
        Arc::strong_count(&self.task)
    }
}

/// Keeps a timer of this runtime running. Whenever a timer is set that ends before all others, tokio wakes its own thread by a
/// write to the kernel. Each request sets timers that last for seconds: beside this one they are never the first.
async fn tick() {
    loop {
        tokio::time::sleep(TICK).await;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::mpsc;

    use super::*;

    fn workers(count: usize) -> Workers {
        Workers::start(NonZeroUsize::new(count).unwrap()).unwrap()
    }

    #[test]
    fn tasks_are_spread_evenly_and_keep_their_thread() {
        let workers = workers(3);
        let (says, said) = mpsc::channel();
        let (go, _) = tokio::sync::broadcast::channel::<()>(1);
        for _ in 0..9 {
            let (says, mut may_end) = (says.clone(), go.subscribe());
            workers.run(async move {
                let before = place();
                let _ = may_end.recv().await;
                says.send((before, place())).unwrap();
            });
        }
        go.send(()).unwrap();
        drop(says);
        let mut counts = HashMap::new();
        for (before, after) in said {
            assert_eq!(before, after);
            *counts.entry(before).or_insert(0) += 1;
        }
        assert_eq!(counts, HashMap::from([(1, 3), (2, 3), (3, 3)]));
        assert_eq!(place(), 0);
    }

    #[test]
    fn one_task_after_the_other_goes_to_the_first_worker() {
        let workers = workers(2);
        for _ in 0..4 {
            let (says, said) = mpsc::channel();
            workers.run(async move { says.send(place()).unwrap() });
            assert_eq!(said.recv(), Ok(1));
            while workers.0[0].tasks() > 1 {
                thread::yield_now();
            }
        }
    }

    #[test]
    fn tasks_are_dropped_with_the_workers() {
        struct SaysWhenDropped(mpsc::Sender<usize>);
        impl Drop for SaysWhenDropped {
            fn drop(&mut self) {
                let _ = self.0.send(place());
            }
        }
        let workers = workers(1);
        let (says, said) = mpsc::channel();
        let held = SaysWhenDropped(says);
        workers.run(async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        drop(workers);
        assert_eq!(said.recv(), Ok(1));
    }
}
