//! What takes effect only when the gateway starts. A reload keeps it as it is in use, and it is shown so.
//!
//! In: the settings of a changed file, and those in use. Out: the settings that the gateway can put into use now, and the keys
//! that wait.

use super::log::LogSettings;
use super::settings::Settings;
use super::yaml::span::Span;
use super::yaml::tree::{Key, Node, NodeValue, read_written};

/// The start of the comment in [`Settings::shown`] that has the keys that wait.
const WAITING: &str = "# Changed in the file, and not in use before the next start or hand-over (SIGQUIT)";

impl Settings {
    /// Keeps what only a start can change as it is `in_use`. Returns the keys that the file has otherwise.
    pub fn keep_until_start(&mut self, in_use: &Self) -> Vec<&'static str> {
        let mut shown = Shown { new: self.shown_tree(), in_use: in_use.shown_tree() };
        let mut waiting = Vec::new();
        if self.keep_listeners(in_use, &mut shown) {
            waiting.push("listen");
        }
        if self.admin != in_use.admin {
            self.admin.clone_from(&in_use.admin);
            shown.keep(&["admin"]);
            waiting.push("admin");
        }
        if self.threads != in_use.threads {
            self.threads = in_use.threads;
            shown.keep(&["threads"]);
            waiting.push("threads");
        }
        // What is slow is asked for with each item.
        let log = LogSettings { slow: self.log.slow, ..in_use.log.clone() };
        if self.log != log {
            self.log = log;
            for key in ["format", "level", "access", "flush"] {
                shown.keep(&["log", key]);
            }
            waiting.push("log");
        }
        if self.limits.idle_connections != in_use.limits.idle_connections {
            self.limits.idle_connections = in_use.limits.idle_connections;
            shown.keep(&["limits", "idle_connections"]);
            waiting.push("limits.idle_connections");
        }
        if !waiting.is_empty() {
            let text = serde_saphyr::to_string(&shown.new).unwrap_or_default();
            self.shown = format!("{WAITING}: {}\n{text}", waiting.join(", "));
        }
        waiting
    }

    /// Keeps the addresses that are open. Returns whether the file has others. All else that a listener has is used at once.
    fn keep_listeners(&mut self, in_use: &Self, shown: &mut Shown) -> bool {
        let mut is_other = self.listen.len() != in_use.listen.len();
        let (mut listeners, mut nodes) = (Vec::new(), Vec::new());
        for (place, open) in in_use.listen.iter().enumerate() {
            let own = self.listen.iter().enumerate().find(|(_, own)| own.address == open.address);
            let ((place, listener), tree) = match own {
                Some(own) => (own, &shown.new),
                None => ((place, open), &shown.in_use),
            };
            is_other |= own.is_none();
            listeners.push(listener.clone());
            nodes.extend(tree.get("listen").and_then(|list| list.items().get(place)).cloned());
        }
        if is_other {
            self.listen = listeners;
            put(&mut shown.new, &["listen"], Some(bare(NodeValue::List(nodes))));
        }
        is_other
    }

    fn shown_tree(&self) -> Node {
        read_written(&self.shown).unwrap_or_else(|| bare(NodeValue::Empty))
    }
}

/// What is shown of two configurations.
struct Shown {
    new: Node,
    in_use: Node,
}

impl Shown {
    /// Shows what is in use at this path.
    fn keep(&mut self, path: &[&str]) {
        let value = path.iter().try_fold(&self.in_use, |node, key| node.get(key)).cloned();
        put(&mut self.new, path, value);
    }
}

/// Puts a value at this path; `None`: there is none.
fn put(node: &mut Node, path: &[&str], value: Option<Node>) {
    let ([key, rest @ ..], NodeValue::Mapping(entries)) = (path, &mut node.value) else { return };
    let place = entries.iter().position(|(own, _)| own.name == *key);
    let entry = place.and_then(|place| entries.get_mut(place));
    match (entry, value) {
        (Some((_, entry)), value) if !rest.is_empty() => put(entry, rest, value),
        (Some((_, entry)), value) => *entry = value.unwrap_or_else(|| bare(NodeValue::Empty)),
        (None, Some(value)) if rest.is_empty() => {
            entries.push((Key { span: Span::default(), name: (*key).to_owned() }, value));
        }
        (None, _) => {}
    }
}

fn bare(value: NodeValue) -> Node {
    Node { span: Span::default(), value, from_environment: false, empty_variable: None }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::parse;

    fn settings(text: &str) -> Settings {
        let text = format!("{text}\nroutes: [{{ path: /, respond: {{ status: 200 }} }}]\n");
        let loaded = parse(&text, "test.yaml", Path::new("."), &|_| None);
        loaded.map_or_else(|error| panic!("{error}"), |loaded| loaded.settings)
    }

    /// What a file has, what another one changes, which keys wait, and what is in use then.
    const CASES: [(&str, &str, &[&str], &str); 9] = [
        (
            "listen: 127.0.0.1:1",
            "listen: 127.0.0.1:1\ndrain: { delay: 7s }",
            &[],
            "listen: 127.0.0.1:1\ndrain: { delay: 7s }",
        ),
        ("listen: 127.0.0.1:1", "listen: 127.0.0.1:2", &["listen"], "listen: 127.0.0.1:1"),
        (
            "listen: [127.0.0.1:1, { address: '127.0.0.1:2', redirect_to_https: 443 }]",
            "listen: [127.0.0.1:3, { address: '127.0.0.1:1', redirect_to_https: 8443 }]",
            &["listen"],
            "listen: [{ address: '127.0.0.1:1', redirect_to_https: 8443 }, { address: '127.0.0.1:2', redirect_to_https: 443 }]",
        ),
        (
            "listen: [127.0.0.1:1, 127.0.0.1:2]",
            "listen: [127.0.0.1:2, { address: '127.0.0.1:1', redirect_to_https: 8443 }]",
            &[],
            "listen: [127.0.0.1:2, { address: '127.0.0.1:1', redirect_to_https: 8443 }]",
        ),
        (
            "listen: 127.0.0.1:1\nadmin: 127.0.0.1:9",
            "listen: 127.0.0.1:1\nadmin: off",
            &["admin"],
            "listen: 127.0.0.1:1\nadmin: 127.0.0.1:9",
        ),
        (
            "listen: 127.0.0.1:1\nthreads: 2",
            "listen: 127.0.0.1:1",
            &["threads"],
            "listen: 127.0.0.1:1\nthreads: 2",
        ),
        ("listen: 127.0.0.1:1", "listen: 127.0.0.1:1\nthreads: 2", &["threads"], "listen: 127.0.0.1:1"),
        (
            "listen: 127.0.0.1:1\nlog: { access: { fields: [status] } }",
            "listen: 127.0.0.1:1\nlog: { level: 'warn', slow: 7s, flush: 1s }",
            &["log"],
            "listen: 127.0.0.1:1\nlog: { access: { fields: [status] }, slow: 7s }",
        ),
        (
            "listen: 127.0.0.1:1",
            "listen: 127.0.0.1:1\nlog: { slow: 7s }\nlimits: { idle_connections: 7, hops: 3 }",
            &["limits.idle_connections"],
            "listen: 127.0.0.1:1\nlog: { slow: 7s }\nlimits: { hops: 3 }",
        ),
    ];

    #[test]
    fn what_only_a_start_can_change_stays_and_is_shown_as_it_is() {
        for (before, after, waiting, expected) in CASES {
            let (in_use, mut new, mut expected) = (settings(before), settings(after), settings(expected));
            assert_eq!(new.keep_until_start(&in_use), waiting, "{after}");
            let comment = new.shown.lines().next().filter(|line| line.starts_with('#'));
            let said = comment.and_then(|line| line.split_once("): ")).map(|(_, keys)| keys.to_owned());
            assert_eq!(said.unwrap_or_default(), waiting.join(", "), "{after}");
            let again = parse(&new.shown, "shown.yaml", Path::new("."), &|_| None);
            let mut again = again.unwrap_or_else(|error| panic!("{error}")).settings;
            for settings in [&mut new, &mut expected, &mut again] {
                settings.shown.clear();
            }
            assert_eq!(new, expected, "{after}");
            assert_eq!(again, expected, "{after}");
        }
    }

    #[test]
    fn what_waits_still_waits_after_the_next_change() {
        let first = settings("listen: 127.0.0.1:1\nthreads: 2");
        let mut second = settings("listen: 127.0.0.1:1\nthreads: 3");
        second.keep_until_start(&first);
        let mut third = settings("listen: 127.0.0.1:1\nthreads: 3\ndrain: { delay: 7s }");
        assert_eq!(third.keep_until_start(&second), ["threads"]);
        let mut back = settings("listen: 127.0.0.1:1\nthreads: 2");
        assert_eq!(back.keep_until_start(&third), [""; 0]);
        assert!(!back.shown.contains('#'), "{}", back.shown);
    }
}
