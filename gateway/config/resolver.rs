//! What every section needs to be resolved: the file around it, and a place for everything that is wrong.
//!
//! Each section is an `impl Resolver` in a file of its own. It looks at all of its values, reports every mistake through
//! [`Resolver::refuse`], and returns [`Refused`] if there was one; the other sections go on. So one run reports everything.
//! What several sections need is here: paths, names, files.

use std::path::PathBuf;

use http::{HeaderName, Method};

use super::environment::Environment;
use super::path_pattern::{Pattern, Variables, pattern_in};
use super::pem::{MAX_PEM, PemError, read_file};
use super::read_file::ReadFile;
use super::yaml::diagnostic::{Diagnostic, Findings, nearest, quoted};
use super::yaml::span::Span;
use super::yaml::wrappers::At;
use super::yaml::written::Written;
use crate::route::{
    CanonicalPath, PathPattern, PatternError, Strictness, UpstreamIndex, known_method, method_label,
};

/// Characters of a name, which is a label of every metric.
const MAX_NAME: usize = 64;

/// A part is wrong, and that has been reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused;

/// A part, if nothing in it is wrong.
pub(super) type Resolved<T> = Result<T, Refused>;

/// What every part needs to be resolved.
pub(super) struct Resolver<'a> {
    /// The file, checked against the schema: where everything is written.
    pub(super) written: Written<'a>,
    /// Names of upstreams in the file, resolved or not, in its order.
    pub(super) upstream_names: &'a [String],
    /// What was found.
    pub(super) findings: &'a mut Findings,
    /// Reads a variable of the environment.
    pub(super) environment: Environment<'a>,
    /// The files that were read. When one changes, the configuration is read again.
    pub(super) files: Vec<ReadFile>,
    /// The files of certificates and keys. When one changes, only its certificate is read again.
    pub(super) certificates: Vec<ReadFile>,
}

impl Resolver<'_> {
    /// Reports an error, and returns it in place of a value.
    pub(super) fn refuse<T>(
        &mut self,
        span: Option<Span>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Resolved<T> {
        self.findings.push(Diagnostic::error(span, message).help(help));
        Err(Refused)
    }

    /// Reports a setting that is allowed but hardly intended.
    pub(super) fn warn(&mut self, span: Option<Span>, message: impl Into<String>, help: impl Into<String>) {
        self.findings.push(Diagnostic::warning(span, message).help(help));
    }

    /// Refuses a key that was seen before; `message` quotes what is written there.
    pub(super) fn only_once<K: PartialEq>(
        &mut self,
        seen: &mut Seen<K>,
        key: K,
        written: &At<String>,
        message: impl FnOnce(String) -> String,
    ) -> Resolved<()> {
        match seen.earlier(key, written.span, self.findings) {
            Some(earlier) => self.refuse(written.span, message(written.shown()), earlier),
            None => Ok(()),
        }
    }

    /// A path of the gateway's side.
    pub(super) fn path(&mut self, path: &At<String>) -> Resolved<CanonicalPath> {
        self.check_path(path, Variables::Refused)?;
        CanonicalPath::parse(&path.value, Strictness::Item).or_else(|error| self.not_a_path(path, &error))
    }

    /// The path of a route, which may have variables.
    pub(super) fn route_path(&mut self, path: &At<String>) -> Resolved<PathPattern> {
        self.check_path(path, Variables::Allowed)?;
        PathPattern::parse(&path.value).or_else(|error| match error {
            PatternError::PartOfSegment | PatternError::Name | PatternError::Twice => {
                let help =
                    "a variable is a complete segment with a name of its own, as in `/orders/{id}/lines`";
                self.refuse(path.span, format!("the path {} {error}", path.shown()), help)
            }
            PatternError::Path(_) => self.not_a_path(path, &error),
        })
    }

    fn not_a_path<T>(&mut self, path: &At<String>, error: &dyn std::fmt::Display) -> Resolved<T> {
        let message = format!("the path {} {error}", path.shown());
        self.refuse(path.span, message, "write it as clients send it, such as `/orders/`")
    }

    /// Refuses what looks like a path of another gateway.
    fn check_path(&mut self, path: &At<String>, variables: Variables) -> Resolved<()> {
        if let Some(Pattern { problem, help, may_be_meant }) = pattern_in(&path.value, variables) {
            // What came from the environment is not shown, nor what could be written in its place.
            let help = if path.from_environment {
                "a path is a prefix and covers all below it".to_owned()
            } else {
                help
            };
            let message = format!("the path {} {problem}", path.shown());
            if !may_be_meant {
                return self.refuse(path.span, message, help);
            }
            self.warn(path.span, message, help);
        }
        if let Some((before, _)) = path.value.split_once('?') {
            let message = format!("the path {} has a query", path.shown());
            let instead =
                if path.from_environment { String::new() } else { format!(": write {}", quoted(before)) };
            return self.refuse(path.span, message, format!("a path takes requests with any query{instead}"));
        }
        Ok(())
    }

    /// A name that can be a metric's label.
    pub(super) fn label(&mut self, name: &At<String>) -> Resolved<()> {
        let good = !name.value.trim().is_empty()
            && name.value.chars().count() <= MAX_NAME
            && !name.value.chars().any(char::is_control);
        if good {
            return Ok(());
        }
        let message = format!("{} can't be a name", name.shown());
        self.refuse(name.span, message, format!("a name has 1 to {MAX_NAME} characters on one line"))
    }

    /// The upstream of this name.
    pub(super) fn upstream_named(&mut self, name: &At<String>) -> Resolved<UpstreamIndex> {
        if let Some(index) = self.upstream_names.iter().position(|known| *known == name.value) {
            return Ok(UpstreamIndex(index));
        }
        let known = self.upstream_names;
        let help = match nearest(&name.value, known.iter().map(String::as_str)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if known.is_empty() => "add it under `upstreams`".to_owned(),
            None => format!("known upstreams: {}", known.join(", ")),
        };
        self.refuse(name.span, format!("unknown upstream {}", name.shown()), help)
    }

    /// A method that can be routed.
    pub(super) fn method(&mut self, name: &At<String>) -> Resolved<Method> {
        let Some(method) = known_method(&name.value) else {
            let message = format!("{} is not a method", name.shown());
            return self.refuse(name.span, message, "write `GET`, `POST`, `PROPFIND`, …");
        };
        if method == Method::CONNECT {
            let help = "it opens tunnels and is not a request for a resource; remove it";
            return self.refuse(name.span, "CONNECT can't be routed", help);
        }
        if method_label(&method) == "_OTHER" {
            let message = format!("{} is not a standard method", name.shown());
            self.warn(name.span, message, "it is passed on as it is, and counted as `_OTHER`");
        }
        Ok(method)
    }

    /// The name of a header field.
    pub(super) fn header_name(&mut self, name: &At<String>) -> Resolved<HeaderName> {
        HeaderName::from_bytes(name.value.as_bytes())
            .or_else(|_| self.not_a_header_name(name.span, &name.shown()))
    }

    /// The same in a section of plain values.
    pub(super) fn header_name_in(&mut self, name: &str, written: Written<'_>) -> Resolved<HeaderName> {
        HeaderName::from_bytes(name.as_bytes())
            .or_else(|_| self.not_a_header_name(written.span(), &written.shown(name)))
    }

    fn not_a_header_name<T>(&mut self, span: Option<Span>, shown: &str) -> Resolved<T> {
        let message = format!("{shown} is not a header field's name");
        self.refuse(span, message, "a name has letters, digits and `-`")
    }

    /// A file's bytes, `limit` of them at most; it is watched from here on.
    pub(super) fn watched_file(&mut self, path: &At<String>, limit: u64) -> Result<Vec<u8>, PemError> {
        let file = self.file(path);
        let bytes = read_file(&file, limit)?;
        self.files.push(ReadFile::new(file, &bytes));
        Ok(bytes)
    }

    /// Watches the file of a certificate or key from here on. To be called before it is read, so that no change is missed.
    pub(super) fn watch_certificate(&mut self, path: &At<String>) {
        let file = self.file(path);
        if let Ok(bytes) = read_file(&file, MAX_PEM) {
            self.certificates.push(ReadFile::new(file, &bytes));
        }
    }

    /// A path relative to the file that has it.
    pub(super) fn file(&self, path: &At<String>) -> PathBuf {
        self.findings.base(path.span).join(&path.value)
    }

    /// A PEM file's content, or the error at its name.
    pub(super) fn pem<T>(&mut self, file: &At<String>, read: Result<T, PemError>) -> Resolved<T> {
        match read {
            Ok(content) => Ok(content),
            Err(error) => {
                let message = format!("the file {} {error}", file.shown());
                self.refuse(file.span, message, error.help())
            }
        }
    }
}

/// All of them, or none if one failed; every one has been looked at.
pub(super) fn all<T>(parts: impl IntoIterator<Item = Resolved<T>>) -> Resolved<Vec<T>> {
    let looked_at: Vec<_> = parts.into_iter().collect();
    looked_at.into_iter().collect()
}

/// A path in its canonical form; problems with it are reported elsewhere.
pub(super) fn canonical(path: &At<String>) -> Option<CanonicalPath> {
    CanonicalPath::parse(&path.value, Strictness::Item).ok()
}

/// Finds duplicates.
pub(super) struct Seen<K>(Vec<(K, Option<Span>)>);

impl<K: PartialEq> Seen<K> {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// The help to give where an equal key was seen before; else remembers this one.
    pub(super) fn earlier(&mut self, key: K, span: Option<Span>, findings: &Findings) -> Option<String> {
        let earlier = self.0.iter().find(|(other, _)| *other == key).map(|(_, span)| findings.already(*span));
        if earlier.is_none() {
            self.0.push((key, span));
        }
        earlier
    }
}
