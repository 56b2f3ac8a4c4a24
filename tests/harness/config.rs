//! Configurations by chained calls. A test says what matters to it; what it leaves out is left out of
//! the YAML as well. [`Setup`] adds `listen` and `admin`.

use super::engine;
use super::gateway::{Gateway, Setup};

/// A configuration in the making. Each part is a YAML flow mapping, and [`Config::with`] adds members
/// to the part that came last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Config {
    parts: Vec<Part>,
    raw: Vec<String>,
}

#[derive(Clone, Debug)]
struct Part {
    section: &'static str,
    /// Only upstreams have one.
    name: Option<String>,
    members: Vec<String>,
}

impl Config {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// One upstream, with this name, to which all paths go.
    pub(crate) fn all_to(upstream: &str, targets: impl AsRef<str>) -> Self {
        Self::new().upstream(upstream, targets).route("/", upstream)
    }

    /// With one more upstream. Several targets are written with commas.
    pub(crate) fn upstream(self, name: &str, targets: impl AsRef<str>) -> Self {
        self.part("upstreams", Some(name.to_owned()), format!("targets: [{}]", targets.as_ref()))
    }

    /// With one more route to an upstream.
    pub(crate) fn route(self, path: &str, upstream: &str) -> Self {
        self.part("routes", None, format!("path: {path}, upstream: {upstream}"))
    }

    /// With one more route that the gateway answers itself: `status: 403`.
    pub(crate) fn respond(self, path: &str, answer: &str) -> Self {
        self.part("routes", None, format!("path: {path}, respond: {{ {answer} }}"))
    }

    /// With one more batch endpoint.
    pub(crate) fn batch(self, path: &str) -> Self {
        self.part("batch", None, format!("path: {path}"))
    }

    /// With one more bulk route, for these methods. Each record goes to `PATH/{id}`.
    pub(crate) fn bulk(self, path: &str, methods: &str) -> Self {
        self.part("bulk", None, format!("path: {path}, methods: [{methods}], each: '{path}/{{id}}'"))
    }

    /// With more members of the part that came last: `timeout: { item: 1s }`.
    pub(crate) fn with(mut self, members: impl AsRef<str>) -> Self {
        let members = members.as_ref();
        if !members.is_empty() {
            self.parts.last_mut().unwrap().members.push(members.to_owned());
        }
        self
    }

    /// With these limits: `memory: 64MiB`.
    pub(crate) fn limits(self, members: &str) -> Self {
        self.raw(format!("limits: {{ {members} }}"))
    }

    /// With lines of YAML for what has no call here.
    pub(crate) fn raw(mut self, lines: impl Into<String>) -> Self {
        self.raw.push(lines.into());
        self
    }

    /// What a gateway is started with.
    pub(crate) fn setup(&self) -> Setup {
        Setup::of(self.to_yaml())
    }

    /// Starts a gateway with it.
    pub(crate) fn start(&self) -> Gateway {
        self.setup().start()
    }

    /// The YAML.
    pub(crate) fn to_yaml(&self) -> String {
        let sections = ["upstreams", "routes", "batch", "bulk"].into_iter();
        let lines = sections.flat_map(|section| self.section(section));
        lines.chain(self.raw.iter().cloned()).collect::<Vec<_>>().join("\n")
    }

    fn section(&self, section: &str) -> Vec<String> {
        let parts = self.parts.iter().filter(|part| part.section == section);
        let mut lines: Vec<_> = parts.map(Part::to_line).collect();
        if !lines.is_empty() {
            lines.insert(0, format!("{section}:"));
        }
        lines
    }

    fn part(mut self, section: &'static str, name: Option<String>, members: String) -> Self {
        self.parts.push(Part { section, name, members: vec![members] });
        self
    }
}

impl Part {
    fn to_line(&self) -> String {
        let members = self.members.join(", ");
        match &self.name {
            Some(name) => format!("  {name}: {{ {} }}", engine::for_this_run(&members)),
            None => format!("  - {{ {members} }}"),
        }
    }
}
