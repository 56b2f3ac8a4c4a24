//! Log messages of libraries, and the part of them that reaches the log.
//!
//! Libraries log anything: query strings, raw bytes of a request's header, paths of the machine that built them. So none
//! of their messages reaches the log unchanged. A message that an operator needs becomes a line of the gateway
//! ([`Notice`]), at most one a second for each kind. Other warnings and errors become lines at level `debug` in which
//! [`only_words`] keeps only words. Everything else is dropped without being formatted.
//!
//! In: records of the `log` crate, which pingora uses, and panics. Out: `tracing` events whose target is ours. `tracing`
//! events of other crates never pass [`is_ours`].

use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicU64, Ordering};

use log::{LevelFilter, Log, Metadata, Record};

use super::LogThrottle;

/// The maximum number of words in a line of a library.
const MAX_WORDS: usize = 24;

/// Whether an event with this target is the gateway's own.
pub(super) fn is_ours(target: &str) -> bool {
    target.split("::").next() == Some("batchgate")
}

/// Starts to receive the libraries' records, and panics.
pub(super) fn listen() {
    // If there is a logger already, it keeps the records.
    if log::set_boxed_logger(Box::new(Libraries::default())).is_ok() {
        log::set_max_level(LevelFilter::Warn);
    }
    std::panic::set_hook(Box::new(log_panic));
}

/// A message of a library that an operator needs to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Notice {
    /// The system could not accept a connection, for example because too many files are open.
    Accept,
    /// A client sent an incomplete request, or no request at all.
    Unreadable,
    /// A client did not start HTTP/2 correctly.
    Http2Handshake,
    /// Too many requests on an HTTP/2 connection were malformed.
    Http2Malformed,
}

impl Notice {
    const ALL: [Self; 4] = [Self::Accept, Self::Unreadable, Self::Http2Handshake, Self::Http2Malformed];

    fn from_message(target: &str, message: &str) -> Option<Self> {
        let starts = |start| message.starts_with(start);
        match target.split("::").next() {
            Some("pingora_core") if starts("Accept() failed") => Some(Self::Accept),
            Some("pingora_core") if starts("H2 handshake error") => Some(Self::Http2Handshake),
            Some("pingora_core") if starts("tearing down downstream h2 connection") => {
                Some(Self::Http2Malformed)
            }
            Some("pingora_core") if starts("HTTP server fails to read from downstream") => {
                Some(Self::Unreadable)
            }
            // A request that was read has a line of its own that says how it ended.
            Some("pingora_proxy") if message.contains("downstream session type") => Some(Self::Unreadable),
            Some("pingora_proxy") if starts("failed to send error response") => Some(Self::Unreadable),
            Some(_) | None => None,
        }
    }

    fn log(self, message: &str, so_far: u64) {
        match self {
            Self::Accept => {
                let error = system_error(message);
                tracing::error!(kind = "listener", error, so_far, "a connection could not be accepted");
            }
            Self::Unreadable => Self::warn("unreadable_request", so_far),
            Self::Http2Handshake => Self::warn("http2_handshake", so_far),
            Self::Http2Malformed => Self::warn("http2_malformed_requests", so_far),
        }
    }

    fn warn(reason: &'static str, so_far: u64) {
        tracing::warn!(kind = "connection", reason, so_far, "a client's connection ended without a reply");
    }
}

/// The error of the operating system, if the message ends with one.
fn system_error(message: &str) -> Option<&str> {
    let cause = message.rsplit(": ").next()?;
    cause.contains("(os error ").then_some(cause)
}

/// Counts one kind of message.
#[derive(Debug, Default)]
struct Said {
    count: AtomicU64,
    throttle: LogThrottle,
}

/// Takes the records of the `log` crate.
#[derive(Debug, Default)]
struct Libraries {
    /// In the order of [`Notice::ALL`].
    said: [Said; Notice::ALL.len()],
}

impl Log for Libraries {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let message = record.args().to_string();
        let Some(notice) = Notice::from_message(record.target(), &message) else {
            if tracing::enabled!(tracing::Level::DEBUG) {
                let library = record.target().split("::").next().unwrap_or_default().replace('_', " ");
                tracing::debug!(kind = "library", library, said = only_words(&message));
            }
            return;
        };
        let Some(said) = self.said.get(notice as usize) else { return };
        let so_far = said.count.fetch_add(1, Ordering::Relaxed) + 1;
        if said.throttle.may_log() {
            notice.log(&message, so_far);
        }
    }

    fn flush(&self) {}
}

/// The words of a text that may contain anything: everything with characters other than letters and punctuation is left
/// out, and so is everything after `context` or `cause`, which may contain bytes of a request.
#[must_use]
pub fn only_words(text: &str) -> String {
    let is_word = |word: &str| {
        word.chars().all(|character| character.is_ascii_alphabetic() || "'-,.:;()_".contains(character))
    };
    let is_end = |word: &&str| !matches!(*word, "context:" | "cause:" | "buf:");
    let words = text.split_whitespace().take_while(is_end).take(MAX_WORDS);
    words.map(|word| if is_word(word) { word } else { "…" }).collect::<Vec<_>>().join(" ")
}

/// Logs a panic, which is a fault of the gateway or of a library. Its message may contain data of a client, unless it is
/// a literal in the source.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let said = panic.payload().downcast_ref::<&'static str>().copied().unwrap_or_default();
    let (file, line) =
        panic.location().map_or(("", 0), |place| (without_build_path(place.file()), place.line()));
    tracing::error!(kind = "panic", file, line, said, "internal error: the work in progress failed");
}

/// The path of a source file from its package on.
fn without_build_path(file: &str) -> &str {
    if let Some((_, behind)) = file.split_once("/registry/src/").or_else(|| file.split_once("/rustc/")) {
        return behind.split_once('/').map_or("", |(_, path)| path);
    }
    if file.starts_with('/') || file.contains(":\\") {
        return file.rsplit(['/', '\\']).next().unwrap_or_default();
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_are_left_of_a_librarys_message() {
        for (said, left) in [
            (
                "Fail to proxy: Upstream ConnectRefused, status: 502, tries: 1, retry: false, GET /down?password=hunter2, Host: h",
                "Fail to proxy: Upstream ConnectRefused, status: … tries: … retry: false, GET … Host: h",
            ),
            (
                "Fail to proxy:  InvalidHTTPHeader context: buf: GET / HTTP/1.1 Authorization: Bearer hunter",
                "Fail to proxy: InvalidHTTPHeader",
            ),
            ("ConnectError cause: Connection refused (os error 111)", "ConnectError"),
            ("a=b http://u:p@h \"quoted\" /root/.cargo/x.rs:12", "… … … …"),
            ("line\nforged \u{1b}[31m", "line forged …"),
            ("", ""),
        ] {
            assert_eq!(only_words(said), left, "{said}");
        }
        assert_eq!(only_words(&"x ".repeat(1000)).len(), 2 * MAX_WORDS - 1);
    }

    #[test]
    fn a_source_is_named_without_the_machine_that_built_it() {
        for (file, named) in [
            ("gateway/serve/front.rs", "gateway/serve/front.rs"),
            (
                "/root/.cargo/registry/src/index.crates.io-1/pingora-core-0.9.1/src/apps/mod.rs",
                "pingora-core-0.9.1/src/apps/mod.rs",
            ),
            ("/rustc/0123abc/library/core/src/slice/index.rs", "library/core/src/slice/index.rs"),
            ("/home/somebody/batchgate/gateway/lib.rs", "lib.rs"),
            ("C:\\build\\lib.rs", "lib.rs"),
        ] {
            assert_eq!(without_build_path(file), named);
        }
    }

    #[test]
    fn messages_that_an_operator_needs_are_recognized() {
        for (target, message, notice) in [
            (
                "pingora_core::services::listening",
                "Accept() failed  AcceptError cause: Too many open files (os error 24)",
                Some(Notice::Accept),
            ),
            ("pingora_core::apps", "H2 handshake error  HandshakeError", Some(Notice::Http2Handshake)),
            (
                "pingora_proxy",
                "Fail to proxy: Downstream ReadError, downstream session type: HTTP/1",
                Some(Notice::Unreadable),
            ),
            ("pingora_proxy", "Fail to proxy: Upstream ConnectRefused, status: 502", None),
            ("other", "Accept() failed", None),
        ] {
            assert_eq!(Notice::from_message(target, message), notice, "{message}");
        }
        assert_eq!(
            system_error("Accept() failed  AcceptError cause: Too many open files (os error 24)"),
            Some("Too many open files (os error 24)")
        );
        assert_eq!(system_error("x: /root/.cargo"), None);
        assert_eq!(Notice::ALL.map(|notice| notice as usize), [0, 1, 2, 3]);
    }

    #[test]
    fn only_the_gateways_own_targets_are_ours() {
        assert!(is_ours("batchgate") && is_ours("batchgate::process::reload"));
        assert!(!is_ours("h2::codec") && !is_ours("batchgate_other::x") && !is_ours("log"));
    }
}
