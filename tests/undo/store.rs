//! A service whose resources are texts with entity tags, and that fails as a test says.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use crate::harness::upstream::Recorded;
use crate::harness::{Answer, Upstream};

/// Resources by path, with their versions.
type Resources = BTreeMap<String, (String, u32)>;

/// Makes an answer that a test wants.
pub(super) type Fault = fn() -> Answer;

/// A service whose resources are texts.
#[derive(Clone, Default)]
pub(super) struct Store(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    resources: Resources,
    /// Answers to the next requests that begin so (`DELETE /orders/7`), in place of its own. What they ask for is not done.
    faults: VecDeque<(&'static str, Fault)>,
}

impl Store {
    pub(super) fn with(paths: &[&str]) -> Self {
        let store = Self::default();
        for path in paths {
            store.put(path, "old");
        }
        store
    }

    pub(super) fn put(&self, path: &str, text: &str) {
        let mut state = self.0.lock().unwrap();
        let version = state.resources.get(path).map_or(1, |(_, version)| version + 1);
        state.resources.insert(path.to_owned(), (text.to_owned(), version));
    }

    pub(super) fn fails(self, request: &'static str, answer: Fault) -> Self {
        self.0.lock().unwrap().faults.push_back((request, answer));
        self
    }

    /// What is there, without versions.
    pub(super) fn texts(&self) -> Vec<(String, String)> {
        let state = self.0.lock().unwrap();
        state.resources.iter().map(|(path, (text, _))| (path.clone(), text.clone())).collect()
    }

    pub(super) fn start(&self) -> Upstream {
        let store = self.clone();
        Upstream::answering(move |request| store.answer(request))
    }

    pub(super) fn answer(&self, request: &Recorded) -> Answer {
        let mut state = self.0.lock().unwrap();
        let line = format!("{} {}", request.method, request.target);
        if let Some(place) = state.faults.iter().position(|(wanted, _)| line == *wanted) {
            return state.faults.remove(place).unwrap().1();
        }
        let path = request.target.split('?').next().unwrap().to_owned();
        let current = state.resources.get(&path).cloned();
        let tag = |version: u32| format!("\"{version}\"");
        let matches = request
            .header("If-Match")
            .is_none_or(|wanted| current.as_ref().is_some_and(|(_, version)| tag(*version) == wanted));
        if !matches || (request.header("If-None-Match").is_some() && current.is_some()) {
            return Answer::text(412, "changed meanwhile");
        }
        let text = || String::from_utf8_lossy(&request.body).into_owned();
        match (request.method.as_str(), current) {
            ("POST", _) => {
                let made = format!("{path}/7");
                state.resources.insert(made.clone(), (text(), 1));
                Answer::text(201, "made").header("Location", &made).header("ETag", "\"1\"")
            }
            ("PUT", before) => {
                let version = before.map_or(1, |(_, version)| version + 1);
                state.resources.insert(path, (text(), version));
                Answer::empty(204).header("ETag", &tag(version))
            }
            (_, None) => Answer::text(404, "nothing there"),
            ("GET", Some((text, version))) => Answer::text(200, &text).header("ETag", &tag(version)),
            ("PATCH", Some((before, version))) => {
                state.resources.insert(path, (before + &text(), version + 1));
                Answer::empty(204).header("ETag", &tag(version + 1))
            }
            ("DELETE", Some(_)) => {
                state.resources.remove(&path);
                Answer::empty(204)
            }
            _ => Answer::text(405, "what?"),
        }
    }
}
