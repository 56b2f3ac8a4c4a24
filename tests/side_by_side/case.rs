//! Reads and writes the cases, in the form that `README.md` of this folder describes.

use std::fmt::{self, Write};

/// A configuration in three languages, and what is asked of it.
#[derive(Debug)]
pub(super) struct Case {
    /// What it is about, in a sentence. Its host is made of this.
    pub(super) about: String,
    pub(super) batchgate: Vec<String>,
    pub(super) nginx: Vec<String>,
    pub(super) traefik: Vec<String>,
    pub(super) asked: Vec<Asked>,
}

/// A request, what is looked at, and what comes of it.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// `METHOD target`, or with a version.
    pub(super) line: String,
    /// Its fields, and `body:`, `chunked:`.
    pub(super) fields: Vec<(String, String)>,
    /// The fields of the reply that are compared.
    pub(super) show: Vec<String>,
    /// The fields of the request as the service saw it that are compared.
    pub(super) seen: Vec<String>,
    /// Why an item ends differently; empty if it does not.
    pub(super) items: String,
    pub(super) outcome: Outcome,
}

/// What comes of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Of batchgate, nginx and Traefik.
    pub(super) of: [String; 3],
    /// Why they rightly differ.
    pub(super) why: String,
}

/// The proxies, in the order of [`Outcome::of`].
pub(super) const PROXIES: [&str; 3] = ["batchgate", "nginx", "traefik"];

impl Case {
    /// All cases of a file.
    ///
    /// # Panics
    /// When a line is none; says which.
    pub(super) fn read(text: &str) -> Vec<Self> {
        let mut cases: Vec<Self> = Vec::new();
        let mut section = String::new();
        for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
            if let Some(about) = line.strip_prefix("== ") {
                cases.push(Self::about(about));
                continue;
            }
            let case = cases.last_mut().unwrap_or_else(|| panic!("{line:?} stands before the first case"));
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                name.clone_into(&mut section);
                continue;
            }
            match &*section {
                "batchgate" => case.batchgate.push(line.to_owned()),
                "nginx" => case.nginx.push(line.to_owned()),
                "traefik" => case.traefik.push(line.to_owned()),
                "requests" => case.request_line(line),
                _ => panic!("{line:?} of {} stands in no section", case.about),
            }
        }
        cases
    }

    fn about(about: &str) -> Self {
        let [batchgate, nginx, traefik] = [(); 3].map(|()| Vec::new());
        Self { about: about.to_owned(), batchgate, nginx, traefik, asked: Vec::new() }
    }

    fn request_line(&mut self, line: &str) {
        let Some(detail) = line.strip_prefix("  ") else {
            self.asked.push(Asked {
                line: line.to_owned(),
                fields: Vec::new(),
                show: Vec::new(),
                seen: Vec::new(),
                items: String::new(),
                outcome: Outcome::default(),
            });
            return;
        };
        let asked = self.asked.last_mut().unwrap_or_else(|| panic!("{line:?} stands before a request"));
        asked.detail(detail).unwrap_or_else(|| panic!("{line:?} of {} says nothing", self.about));
    }

    /// The host of its requests: the words of what it is about.
    pub(super) fn host(&self) -> String {
        let word = |text: char| if text.is_ascii_alphanumeric() { text.to_ascii_lowercase() } else { '-' };
        let name: String = self.about.chars().map(word).collect();
        format!("{}.test", name.chars().take(60).collect::<String>().trim_matches('-'))
    }
}

impl Asked {
    /// Its method.
    pub(super) fn method(&self) -> &str {
        self.line.split(' ').next().unwrap_or_default()
    }

    /// The same, with only those fields looked at that have to be the same in all versions of HTTP.
    pub(super) fn end_to_end(&self) -> Self {
        const OF_VERSION: [&str; 5] =
            ["Connection", "Transfer-Encoding", "Content-Length", "Date", "version"];
        self.without(|name| OF_VERSION.contains(&name))
    }

    /// The same, with only those fields looked at that results of batches have, too: of these the batch is coded, and its reply
    /// says what pages may read it.
    pub(super) fn of_items(&self) -> Self {
        const OF_BATCH: [&str; 5] = ["body", "ETag", "Vary", "Content-Encoding", "Accept-Encoding"];
        self.end_to_end().without(|name| OF_BATCH.contains(&name) || name.starts_with("Access-Control-"))
    }

    fn without(&self, is_left_out: impl Fn(&str) -> bool) -> Self {
        let kept = |names: &[String]| names.iter().filter(|name| !is_left_out(name)).cloned().collect();
        Self { show: kept(&self.show), seen: kept(&self.seen), ..self.clone() }
    }

    fn detail(&mut self, line: &str) -> Option<()> {
        let names = |text: &str| text.split(',').map(|name| name.trim().to_owned()).collect();
        if let Some((who, text)) = line.split_once(" = ") {
            for (name, outcome) in PROXIES.iter().zip(&mut self.outcome.of) {
                if who == "all" || who.split(", ").any(|who| who == *name) {
                    text.clone_into(outcome);
                }
            }
            return (who == "all" || who.split(", ").all(|who| PROXIES.contains(&who))).then_some(());
        }
        let (name, value) = line.split_once(':')?;
        match name {
            "items" => value.trim().clone_into(&mut self.items),
            "why" => value.trim().clone_into(&mut self.outcome.why),
            "show" => self.show = names(value),
            "seen" => self.seen = names(value),
            name => self.fields.push((name.to_owned(), value.trim().to_owned())),
        }
        Some(())
    }
}

impl Outcome {
    /// Whether they do the same.
    pub(super) fn is_same(&self) -> bool {
        self.of.iter().all(|outcome| *outcome == self.of[0])
    }

    fn lines(&self) -> Vec<String> {
        if self.is_same() {
            return vec![format!("all = {}", self.of[0])];
        }
        let mut lines: Vec<(Vec<&str>, &str)> = Vec::new();
        for (name, outcome) in PROXIES.iter().zip(&self.of) {
            match lines.iter_mut().find(|(_, other)| other == outcome) {
                Some((names, _)) => names.push(name),
                None => lines.push((vec![name], outcome)),
            }
        }
        let why = if self.why.is_empty() { "?" } else { &self.why };
        let lines = lines.into_iter().map(|(names, outcome)| format!("{} = {outcome}", names.join(", ")));
        lines.chain([format!("why: {why}")]).collect()
    }
}

impl fmt::Display for Case {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "== {}", self.about)?;
        let sections = [&self.batchgate, &self.nginx, &self.traefik];
        for (name, lines) in PROXIES.iter().zip(sections) {
            writeln!(formatter, "[{name}]\n{}", lines.join("\n"))?;
        }
        writeln!(formatter, "[requests]")?;
        self.asked.iter().try_for_each(|asked| write!(formatter, "{asked}"))
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = format!("{}\n", self.line);
        for (name, value) in &self.fields {
            writeln!(text, "  {name}: {value}")?;
        }
        for (name, fields) in [("show", &self.show), ("seen", &self.seen)] {
            if !fields.is_empty() {
                writeln!(text, "  {name}: {}", fields.join(", "))?;
            }
        }
        if !self.items.is_empty() {
            writeln!(text, "  items: {}", self.items)?;
        }
        for line in self.outcome.lines() {
            writeln!(text, "  {line}")?;
        }
        formatter.write_str(&text)
    }
}
