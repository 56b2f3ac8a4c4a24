//! `batchgate send`: sends a batch file, or cuts a large file of items or records into batches.
//!
//! In: a file of any length. Out: a line of JSON for each item, in the order in which batches end, and an exit code. In memory are the
//! batches that are under way, and nothing else: the file is read on only when one of them has ended.

mod arguments;
mod error;
mod input;
mod interrupts;
mod item;
mod progress;
mod records;
mod results;
mod sender;
mod whole;

pub(super) use arguments::SendArguments;

use std::error::Error;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::task::JoinSet;

use arguments::{Form, Plan};
use error::SendError;
use input::{InputError, Items};
use interrupts::{Interrupts, Stage};
use item::{Item, ItemResult};
use progress::Progress;
use results::Unwritten;
use sender::{Sender, Sent};

use super::misuse::usage;
use crate::terminal::print_error;

/// Bytes of the items of a batch; a larger item is sent alone.
const MAX_BATCH: usize = 4 << 20;

/// What the shell gets for this error, if it is one of a run.
pub(super) fn exit_code(error: &(dyn Error + 'static)) -> Option<ExitCode> {
    error.downcast_ref::<SendError>().map(SendError::exit_code)
}

/// Sends the file.
pub(super) fn run(arguments: SendArguments) -> Result<(), Box<dyn Error>> {
    match plan_and_send(arguments) {
        Err(SendError::Usage(error)) => Err(error.into()),
        done => Ok(done?),
    }
}

fn plan_and_send(arguments: SendArguments) -> Result<(), SendError> {
    let plan = arguments.plan()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let file = open(&plan.file).map_err(|error| plan.unreadable(&error))?;
    if plan.results.as_deref().is_some_and(|results| file.is_at(results)) {
        return Err(plan.results_are_input().into());
    }
    let results = results::open(plan.results.as_deref()).map_err(|error| plan.no_results(&error))?;
    let sent = runtime.block_on(send(plan, file, results));
    // After a signal, a thread may still wait for the file, such as a pipe whose writer is silent.
    runtime.shutdown_background();
    sent
}

async fn send(plan: Plan, file: Source, results: Box<dyn Write>) -> Result<(), SendError> {
    let Source { input, length, read, identity: _ } = file;
    let input = BufReader::new(input);
    let items = match plan.form {
        Form::Batch(content_type) => return whole::send(&plan.sender, input, &content_type, results).await,
        Form::Lines(template) => input::of_lines(input, template),
        Form::Rows(template) => input::of_rows(input, template).map_err(header_error)?,
    };
    let mut sending = Sending {
        sender: Arc::new(plan.sender),
        batches: JoinSet::new(),
        progress: Progress::new(length),
        read,
        results,
        unwritten: None,
        interrupts: Interrupts::watch()?,
    };
    let batches = Batches { items: items.peekable(), size: plan.batch_size };
    let sent = sending.send(batches, plan.concurrency).await;
    sending.progress.end();
    sent?;
    if let Some(signal) = sending.interrupts.signal() {
        return Err(SendError::Ended(signal));
    }
    // A file without records has no results: those of an earlier run go.
    sending.results.flush().map_err(SendError::Results)?;
    let counts = sending.progress.counts;
    if counts.failed > 0 {
        return Err(SendError::Failed { failed: counts.failed, items: counts.items });
    }
    Ok(())
}

/// A column that the header lacks is a mistake of the command line.
fn header_error(error: InputError) -> SendError {
    if matches!(error, InputError::NoColumn(..)) { usage(&error.to_string()).into() } else { error.into() }
}

/// A file that is being sent.
struct Sending {
    sender: Arc<Sender>,
    batches: JoinSet<Sent>,
    progress: Progress,
    /// Bytes of the file that have been read.
    read: Arc<AtomicU64>,
    results: Box<dyn Write>,
    /// What `results` did not take.
    unwritten: Option<Unwritten>,
    interrupts: Interrupts,
}

impl Sending {
    /// Sends all batches. If the file can't be read on, nobody takes them, their results can't be written, or a signal comes, those under
    /// way end first.
    async fn send(&mut self, batches: Batches, concurrency: usize) -> Result<(), SendError> {
        let mut problem: Option<SendError> = None;
        let mut batches = Some(batches);
        loop {
            while self.batches.len() < concurrency && problem.is_none() && self.unwritten.is_none() {
                match self.read(&mut batches, Batches::next).await?.flatten() {
                    Some(Ok(batch)) => {
                        let (sender, interrupts) = (Arc::clone(&self.sender), self.interrupts.clone());
                        self.batches.spawn(async move { sender.send(batch, &interrupts).await });
                    }
                    Some(Err(error)) => problem = Some(error.into()),
                    None => break,
                }
            }
            match self.batches.join_next().await {
                Some(Ok(sent)) => {
                    self.take(&sent);
                    if let Some(reason) =
                        sent.not_connected.filter(|_| problem.is_none() && self.unwritten.is_none())
                        && self.read(&mut batches, Batches::is_at_end).await? == Some(false)
                    {
                        problem = Some(SendError::NotConnected(reason));
                    }
                }
                Some(Err(error)) => return Err(SendError::System(io::Error::other(error))),
                None => break,
            }
        }
        if let Some(unwritten) = self.unwritten.take() {
            let records = unwritten.records();
            return Err(SendError::Unwritten { error: unwritten.error, records });
        }
        problem.map_or(Ok(()), Err)
    }

    /// What the file brings; `None` after a signal. Then nothing more is read, also if the file is a pipe that waits.
    async fn read<T: Send + 'static>(
        &self,
        batches: &mut Option<Batches>,
        how: fn(&mut Batches) -> T,
    ) -> Result<Option<T>, SendError> {
        let Some(mut file) = batches.take() else { return Ok(None) };
        let reading = tokio::task::spawn_blocking(move || {
            let read = how(&mut file);
            (file, read)
        });
        let Some(read) = self.interrupts.before(Stage::Ending, reading).await else { return Ok(None) };
        let (file, read) = read.map_err(|error| SendError::System(io::Error::other(error)))?;
        *batches = Some(file);
        Ok(Some(read).filter(|_| self.interrupts.signal().is_none()))
    }

    /// Writes the results of a batch. Once some can't be written, no others are, and the run ends as after a signal.
    fn take(&mut self, sent: &Sent) {
        let counts = &mut self.progress.counts;
        counts.batches += 1;
        counts.resent += sent.resent;
        counts.items += sent.results.len() as u64;
        counts.failed += sent.results.iter().filter(|result| result.has_failed()).count() as u64;
        let numbers = sent.results.iter().map(ItemResult::number);
        if let Some(unwritten) = &mut self.unwritten {
            unwritten.records.extend(numbers);
        } else if let Err(error) = write_all(&mut self.results, &sent.results) {
            if !self.batches.is_empty() {
                print_error(format_args!(
                    "the results can't be written: {error}; nothing more is sent; waiting for the replies to what is under way; a signal leaves them"
                ));
            }
            self.interrupts.end();
            self.unwritten = Some(Unwritten { error, records: numbers.collect() });
        }
        self.progress.show(self.read.load(Ordering::Relaxed));
    }
}

fn write_all(results: &mut dyn Write, lines: &[ItemResult]) -> io::Result<()> {
    lines.iter().try_for_each(|result| write_line(results, result))?;
    results.flush()
}

fn write_line(results: &mut dyn Write, result: &ItemResult) -> io::Result<()> {
    serde_json::to_writer(&mut *results, result)?;
    results.write_all(b"\n")
}

/// A file, cut into batches.
struct Batches {
    items: std::iter::Peekable<Items>,
    size: usize,
}

impl Batches {
    fn is_at_end(&mut self) -> bool {
        self.items.peek().is_none()
    }
}

impl Iterator for Batches {
    type Item = Result<Vec<Item>, InputError>;

    /// The next batch. A record that can't be read comes after the items before it.
    fn next(&mut self) -> Option<Self::Item> {
        let mut batch: Vec<Item> = Vec::new();
        let mut bytes = 0;
        while batch.len() < self.size {
            let fits = |next: &Result<Item, InputError>| {
                next.as_ref().is_ok_and(|item| batch.is_empty() || bytes + item.json.len() <= MAX_BATCH)
            };
            match self.items.next_if(fits) {
                Some(Ok(item)) => {
                    bytes += item.json.len();
                    batch.push(item);
                }
                Some(Err(error)) => return Some(Err(error)),
                None if batch.is_empty() => return self.items.next().map(|item| item.map(|item| vec![item])),
                None => break,
            }
        }
        Some(Ok(batch))
    }
}

/// A file that is read, and how much of it.
struct Source {
    input: Box<dyn Read + Send>,
    length: Option<u64>,
    read: Arc<AtomicU64>,
    /// The device and the number of the file, unless it is a pipe or the like.
    identity: Option<(u64, u64)>,
}

impl Source {
    /// Whether this path leads to the same file, by a link or otherwise.
    fn is_at(&self, path: &Path) -> bool {
        let found = std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
        self.identity.is_some_and(|identity| found == Some(identity))
    }
}

fn open(path: &Path) -> io::Result<Source> {
    let read = Arc::new(AtomicU64::new(0));
    let (input, metadata): (Box<dyn Read + Send>, _) = if path.as_os_str() == "-" {
        let metadata = File::from(io::stdin().as_fd().try_clone_to_owned()?).metadata()?;
        (Box::new(io::stdin()), metadata)
    } else {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        (Box::new(file), metadata)
    };
    let input = Box::new(Counted { input, read: Arc::clone(&read) });
    let length = metadata.is_file().then_some(metadata.len());
    let identity = metadata.is_file().then(|| (metadata.dev(), metadata.ino()));
    Ok(Source { input, length, read, identity })
}

/// Counts the bytes that are read.
struct Counted {
    input: Box<dyn Read + Send>,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
