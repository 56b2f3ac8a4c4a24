//! Who takes a name from whom: an arrow from a file to the file that defines the name, past all
//! re-exports; and the circles that arrows make.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::modules::{Module, Segments, Tree};

/// A path that leads through more re-exports than this leads nowhere.
const MOST_STEPS: usize = 32;

/// From each file to the files that it takes names from, with the names.
#[derive(Debug, Default)]
pub(super) struct Arrows(pub(super) BTreeMap<PathBuf, BTreeMap<PathBuf, BTreeSet<String>>>);

impl Arrows {
    /// The arrows of a crate.
    pub(super) fn of(tree: &Tree) -> Self {
        let mut arrows = Self::default();
        for (path, module) in &tree.modules {
            let from = Scope { tree, path };
            let private = module.private.iter().filter_map(|import| from.definition(import));
            let named = module.paths.iter().filter_map(|path| from.definition(path));
            let globs = module.globs.iter().filter_map(|glob| Some((from.module_of(glob)?, "*".to_owned())));
            let macros = module.invoked.iter().filter_map(|name| from.textual_macro(name));
            for (other, name) in private.chain(named).chain(globs).chain(macros) {
                arrows.add(&module.file, tree.file_of(&other), name);
            }
        }
        arrows
    }

    fn add(&mut self, from: &Path, to: &Path, name: String) {
        if from != to {
            self.0.entry(from.to_owned()).or_default().entry(to.to_owned()).or_default().insert(name);
        }
    }

    /// The sets of files that all reach one another.
    pub(super) fn circles(&self) -> Vec<BTreeSet<&Path>> {
        let reached: BTreeMap<&Path, BTreeSet<&Path>> =
            self.0.keys().map(|file| (file.as_path(), self.reached_from(file))).collect();
        let mut circles: Vec<BTreeSet<&Path>> = Vec::new();
        for (file, others) in &reached {
            let back = |other: &&&Path| reached.get(**other).is_some_and(|them| them.contains(file));
            if others.contains(file) && !circles.iter().any(|circle| circle.contains(file)) {
                circles.push(others.iter().filter(back).copied().collect());
            }
        }
        circles
    }

    fn reached_from<'a>(&'a self, start: &Path) -> BTreeSet<&'a Path> {
        let (mut reached, mut next) = (BTreeSet::new(), vec![start]);
        while let Some(file) = next.pop() {
            for other in self.0.get(file).into_iter().flat_map(BTreeMap::keys) {
                if reached.insert(other.as_path()) {
                    next.push(other);
                }
            }
        }
        reached
    }

    /// The arrows within a circle, a line each.
    pub(super) fn within(&self, circle: &BTreeSet<&Path>) -> Vec<String> {
        let mut lines = Vec::new();
        for from in circle {
            for (to, names) in self.0.get(*from).into_iter().flatten() {
                if circle.contains(to.as_path()) {
                    let names = names.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
                    lines.push(format!("{} takes {names} from {}", from.display(), to.display()));
                }
            }
        }
        lines
    }
}

/// A module that names others.
struct Scope<'tree> {
    tree: &'tree Tree,
    path: &'tree str,
}

impl Scope<'_> {
    /// The module that defines what a path leads to, and its name there. Nothing for a module, and for
    /// what is not ours.
    fn definition(&self, path: &[String]) -> Option<(String, String)> {
        let (module, rest) = self.follow(path)?;
        Some((module, rest.first()?.clone()))
    }

    fn module_of(&self, path: &[String]) -> Option<String> {
        self.follow(path).map(|(module, _)| module)
    }

    /// Follows a path, and the re-exports on it, to the last module of it.
    fn follow(&self, path: &[String]) -> Option<(String, Segments)> {
        let mut place: Segments = segments(self.path);
        let mut rest: Segments = path.to_vec();
        let mut is_first = true;
        for _ in 0..MOST_STEPS {
            let Some(name) = rest.first() else { return Some((place.join("::"), rest)) };
            let module = self.tree.modules.get(&place.join("::"))?;
            match &**name {
                "crate" => place.clear(),
                "self" => {}
                "super" => drop(place.pop()),
                name if self.child(&place, name).is_some() => place.push(name.to_owned()),
                name if module.imports.contains_key(name) => {
                    let target = &module.imports[name];
                    // A macro is made public by a `use` of itself; anything else, `use h2;`, leads out.
                    if target.first().is_some_and(|first| first == name) {
                        let is_macro = module.macros.iter().any(|defined| defined == name);
                        return is_macro.then(|| (place.join("::"), rest));
                    }
                    rest = target.iter().cloned().chain(rest.drain(1..)).collect();
                    is_first = true;
                    continue;
                }
                _ => {
                    return self
                        .by_glob(module, &rest)
                        .or_else(|| (!is_first).then(|| (place.join("::"), rest)));
                }
            }
            rest.remove(0);
            is_first = false;
        }
        None
    }

    /// The name's place behind a glob import of one of our modules that has it.
    fn by_glob(&self, module: &Module, rest: &[String]) -> Option<(String, Segments)> {
        let name = rest.first()?;
        let path = module.globs.iter().find_map(|glob| {
            let target = self.module_of(glob)?;
            self.tree.modules[&target].imports.contains_key(name).then_some(target)
        })?;
        Scope { tree: self.tree, path: &path }.follow(rest)
    }

    fn child(&self, place: &[String], name: &str) -> Option<&Module> {
        let path = place.iter().map(String::as_str).chain([name]).collect::<Vec<_>>().join("::");
        self.tree.modules.get(&path)
    }

    /// The module above that defines a macro which is in scope below it.
    fn textual_macro(&self, name: &str) -> Option<(String, String)> {
        let mut place = segments(self.path);
        loop {
            let path = place.join("::");
            if self.tree.modules.get(&path)?.macros.iter().any(|defined| defined == name) {
                return Some((path, format!("{name}!")));
            }
            place.pop()?;
        }
    }
}

fn segments(path: &str) -> Segments {
    path.split("::").filter(|segment| !segment.is_empty()).map(str::to_owned).collect()
}
