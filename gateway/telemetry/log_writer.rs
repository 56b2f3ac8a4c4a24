//! Writes the log. Lines gather in memory and are written in one call, so that a line costs its caller no system call and
//! wakes no thread: the writer's thread wakes for the first line that waits, and sleeps until it is time to write.
//!
//! In: complete lines. Out: the same lines in order, at the latest after `log.flush`; at once if a line is a warning or an
//! error, if many bytes wait, or when the log is closed. Bytes that wait are bounded: while the log's reader is too slow, further lines
//! are dropped and counted. So are lines that the system does not take: the disk may be full.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// Bytes that are written without waiting for more.
const ENOUGH: usize = 64 * 1024;

/// Bytes that may wait.
const MOST: usize = 8 * 1024 * 1024;

/// What waits to be written.
#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    /// Whether it is to be written without waiting for more.
    is_due: bool,
    is_closed: bool,
}

struct Shared {
    waiting: Mutex<Waiting>,
    wake: Condvar,
    dropped: Arc<AtomicU64>,
}

/// Takes lines.
#[derive(Clone)]
pub(super) struct LogWriter(Arc<Shared>);

/// The thread that writes. Dropping it writes what still waits.
pub(super) struct WriterThread {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// One line on its way to the writer.
pub(super) struct Line<'writer> {
    shared: &'writer Shared,
    is_due: bool,
}

/// Starts a writer to `output`. Lines wait there for at most `flush`, and `dropped` counts those that found no room or could not
/// be written. `on_loss` learns how many could not be written, and why.
///
/// # Errors
/// The system gives no thread.
pub(super) fn start(
    output: impl Write + Send + 'static,
    flush: Duration,
    dropped: Arc<AtomicU64>,
    on_loss: impl FnMut(u64, &io::Error) + Send + 'static,
) -> io::Result<(LogWriter, WriterThread)> {
    let shared = Arc::new(Shared { waiting: Mutex::default(), wake: Condvar::new(), dropped });
    let (writer, own) = (LogWriter(Arc::clone(&shared)), Arc::clone(&shared));
    let thread = std::thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || own.write_to(output, flush, on_loss))?;
    Ok((writer, WriterThread { shared, thread: Some(thread) }))
}

impl LogWriter {
    /// Takes a line that may wait for others.
    pub(super) fn put(&self, line: &[u8]) {
        self.0.take(line, false);
    }
}

impl<'writer> MakeWriter<'writer> for LogWriter {
    type Writer = Line<'writer>;

    fn make_writer(&'writer self) -> Line<'writer> {
        Line { shared: &self.0, is_due: false }
    }

    fn make_writer_for(&'writer self, metadata: &Metadata<'_>) -> Line<'writer> {
        Line { shared: &self.0, is_due: *metadata.level() <= Level::WARN }
    }
}

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.shared.take(line, self.is_due);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn take(&self, line: &[u8], is_due: bool) {
        let mut waiting = self.waiting.lock();
        if waiting.lines.len() + line.len() > MOST {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let is_first = waiting.lines.is_empty();
        waiting.lines.extend_from_slice(line);
        let becomes_due = !waiting.is_due && (is_due || waiting.lines.len() >= ENOUGH);
        waiting.is_due |= becomes_due;
        drop(waiting);
        if is_first || becomes_due {
            self.wake.notify_one();
        }
    }

    /// Writes what comes until the log is closed.
    fn write_to(&self, output: impl Write, flush: Duration, mut on_loss: impl FnMut(u64, &io::Error)) {
        let mut lines = Vec::new();
        let mut output = LineOutput { output, is_within_line: false };
        while self.wait(&mut lines, flush) {
            if let Err(Lost { lines, error }) = output.write_lines(&lines) {
                self.dropped.fetch_add(lines, Ordering::Relaxed);
                on_loss(lines, &error);
            }
            lines.clear();
            lines.shrink_to(2 * ENOUGH);
        }
    }

    /// Waits until lines are to be written, and takes them. `false`: the log is closed, and none are left.
    fn wait(&self, lines: &mut Vec<u8>, flush: Duration) -> bool {
        let mut waiting = self.waiting.lock();
        while waiting.lines.is_empty() && !waiting.is_closed {
            self.wake.wait(&mut waiting);
        }
        self.wake.wait_while_for(&mut waiting, |waiting| !waiting.is_due && !waiting.is_closed, flush);
        waiting.is_due = false;
        std::mem::swap(&mut waiting.lines, lines);
        !lines.is_empty()
    }
}

/// An output that may take a part of what is written.
struct LineOutput<Output> {
    output: Output,
    /// It has the beginning of a line that was lost. The next one must not go on behind it.
    is_within_line: bool,
}

/// Lines that could not be written.
struct Lost {
    lines: u64,
    error: io::Error,
}

impl<Output: Write> LineOutput<Output> {
    fn write_lines(&mut self, lines: &[u8]) -> Result<(), Lost> {
        let mut rest = lines;
        let written = self.put(&mut rest);
        written.map_err(|error| {
            let taken = lines.get(..lines.len() - rest.len()).unwrap_or_default();
            self.is_within_line |= taken.last().is_some_and(|byte| *byte != b'\n');
            let lines = memchr::memchr_iter(b'\n', rest).count() as u64;
            Lost { lines, error }
        })
    }

    /// Writes `rest`, and takes from it what was written.
    fn put(&mut self, rest: &mut &[u8]) -> io::Result<()> {
        if self.is_within_line {
            self.output.write_all(b"\n")?;
            self.is_within_line = false;
        }
        while !rest.is_empty() {
            match self.output.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => *rest = rest.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.output.flush()
    }
}

impl Drop for WriterThread {
    fn drop(&mut self) {
        self.shared.waiting.lock().is_closed = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic was reported when it happened.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::*;

    const NEVER: Duration = Duration::from_secs(3600);

    /// An output that passes each write on, and takes no other before it was received.
    struct Output(SyncSender<Vec<u8>>);

    impl Write for Output {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).unwrap();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn start_log(flush: Duration) -> (LogWriter, WriterThread, Receiver<Vec<u8>>) {
        let (sender, writes) = sync_channel(0);
        let (log, thread) = start(Output(sender), flush, Arc::default(), |_, _| {}).unwrap();
        (log, thread, writes)
    }

    #[test]
    fn lines_that_gathered_are_written_in_one_call_when_one_of_them_is_due() {
        let (log, _thread, writes) = start_log(NEVER);
        log.0.take(b"one\n", false);
        log.0.take(b"two\n", false);
        log.0.take(b"three\n", true);
        assert_eq!(writes.recv().unwrap(), b"one\ntwo\nthree\n");
    }

    #[test]
    fn many_bytes_and_the_end_of_the_log_write_at_once() {
        let (log, thread, writes) = start_log(NEVER);
        let much = vec![b'x'; ENOUGH];
        log.0.take(&much, false);
        assert_eq!(writes.recv().unwrap().len(), ENOUGH);
        log.0.take(b"last\n", false);
        let end = std::thread::spawn(|| drop(thread));
        assert_eq!(writes.recv().unwrap(), b"last\n");
        end.join().unwrap();
    }

    #[test]
    fn a_line_is_written_after_its_time() {
        let (log, _thread, writes) = start_log(Duration::from_millis(1));
        log.0.take(b"alone\n", false);
        assert_eq!(writes.recv().unwrap(), b"alone\n");
    }

    #[test]
    fn while_nobody_reads_what_is_too_much_is_dropped_and_counted() {
        let (log, _thread, writes) = start_log(NEVER);
        let line = vec![b'x'; MOST / 4];
        log.0.take(b"first\n", true);
        while !log.0.waiting.lock().lines.is_empty() {
            std::thread::yield_now();
        }
        // The writer is stuck with the first.
        for _ in 0..7 {
            log.0.take(&line, true);
        }
        assert_eq!(log.0.dropped.load(Ordering::Relaxed), 3);
        assert_eq!(writes.recv().unwrap(), b"first\n");
        assert_eq!(writes.recv().unwrap().len(), MOST);
    }

    /// An output that does these things, one after the other, and then takes everything.
    struct Scripted(Vec<io::Result<usize>>, Vec<u8>);

    impl Write for Scripted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = if self.0.is_empty() { bytes.len() } else { self.0.remove(0)? };
            self.1.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_cant_be_written_are_counted_and_the_next_begins_a_line() {
        let full = || Err(io::ErrorKind::StorageFull.into());
        for (script, lost, text) in [
            (vec![], 0, "one\ntwo\nlast\n"),
            (vec![Ok(5), Ok(3)], 0, "one\ntwo\nlast\n"),
            (vec![Err(io::ErrorKind::Interrupted.into())], 0, "one\ntwo\nlast\n"),
            (vec![full()], 2, "last\n"),
            (vec![Ok(0)], 2, "last\n"),
            (vec![Ok(4), full()], 1, "one\nlast\n"),
            (vec![Ok(5), full()], 1, "one\nt\nlast\n"),
            (vec![Ok(2), full()], 2, "on\nlast\n"),
            (vec![Ok(2), full(), full()], 3, "on"),
        ] {
            let mut output = LineOutput { output: Scripted(script, Vec::new()), is_within_line: false };
            let count: u64 = [b"one\ntwo\n".as_slice(), b"last\n"]
                .map(|lines| output.write_lines(lines).map_or_else(|lost| lost.lines, |()| 0))
                .iter()
                .sum();
            assert_eq!((count, std::str::from_utf8(&output.output.1).unwrap()), (lost, text));
        }
    }
}
