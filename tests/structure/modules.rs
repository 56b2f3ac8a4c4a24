//! The modules of the gateway as the compiler sees them: from `lib.rs` on, each with its imports and
//! the paths that its code names. Code for tests alone is left out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fmt, fs};

use proc_macro2::{Ident, Literal, TokenStream, TokenTree};
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Attribute, FnArg, Item, ItemUse, Token, Type, UseTree, Visibility};

/// Segments of a path: `crate`, `format`, `json`.
pub(super) type Segments = Vec<String>;

/// A module. An inline module has its own scope, but the file of the module around it.
#[derive(Debug, Default)]
pub(super) struct Module {
    /// Its file, relative to `gateway/`.
    pub(super) file: PathBuf,
    /// What each imported name is a name for.
    pub(super) imports: BTreeMap<String, Segments>,
    /// The imports that make a name usable here: `use a::B`, not `pub use a::B`.
    pub(super) private: Vec<Segments>,
    /// The modules whose names are all imported.
    pub(super) globs: Vec<Segments>,
    /// The paths that its code names, single names included.
    pub(super) paths: Vec<Segments>,
    /// The macros that it invokes by name alone.
    pub(super) invoked: Vec<String>,
    /// The macros that it defines.
    pub(super) macros: Vec<String>,
}

/// A function, with what the rules ask about it.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) file: PathBuf,
    pub(super) name: String,
    /// Its parameters of a tuple type, behind a reference or not.
    pub(super) tuples: usize,
    /// Its parameters of type `bool`.
    pub(super) bools: usize,
    /// Lines between its braces.
    pub(super) lines: usize,
    /// Whether a comment above it says why it is long.
    pub(super) has_reason: bool,
}

impl fmt::Display for Function {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {} ({} lines)", self.file.display(), self.name, self.lines)
    }
}

/// Everything that was read.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// By path: `""` is the root, `format::json` a module.
    pub(super) modules: BTreeMap<String, Module>,
    pub(super) functions: Vec<Function>,
}

impl Tree {
    /// Reads a crate from the file of its root.
    pub(super) fn read(root: &Path) -> Self {
        let mut tree = Self::default();
        tree.read_file(root.parent().unwrap(), root, &[]);
        tree
    }

    /// The names of files, for messages and for lists.
    pub(super) fn file_of(&self, module: &str) -> &Path {
        &self.modules[module].file
    }

    fn read_file(&mut self, base: &Path, file: &Path, path: &[String]) {
        let source = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let syntax = syn::parse_file(&source).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let own = file.strip_prefix(base).unwrap();
        let lines: Vec<_> = source.lines().collect();
        let mut reader =
            Reader { tree: self, file: own, path: path.to_vec(), lines: &lines, files: Vec::new() };
        reader.modules(&syntax.items);
        for child in reader.files {
            let folder = match file.file_name().unwrap().to_str().unwrap() {
                "lib.rs" | "mod.rs" => file.parent().unwrap().to_owned(),
                _ => file.with_extension(""),
            };
            let name = child.last().unwrap();
            let flat = folder.join(format!("{name}.rs"));
            let found = if flat.is_file() { flat } else { folder.join(name).join("mod.rs") };
            self.read_file(base, &found, &child);
        }
    }
}

/// Reads one file.
struct Reader<'tree> {
    tree: &'tree mut Tree,
    file: &'tree Path,
    /// The path of the module that is being read.
    path: Segments,
    lines: &'tree [&'tree str],
    /// Child modules with a file of their own.
    files: Vec<Segments>,
}

impl Reader<'_> {
    fn module(&mut self) -> &mut Module {
        let file = self.file;
        let module = self.tree.modules.entry(self.path.join("::")).or_default();
        file.clone_into(&mut module.file);
        module
    }

    fn modules(&mut self, items: &[Item]) {
        self.module();
        for item in items {
            self.visit_item(item);
        }
    }

    fn import(&mut self, tree: &UseTree, before: &Segments, is_public: bool) {
        let joined = |name: &Ident| before.iter().cloned().chain([name.to_string()]).collect::<Segments>();
        match tree {
            UseTree::Path(path) => self.import(&path.tree, &joined(&path.ident), is_public),
            UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.import(tree, before, is_public));
            }
            UseTree::Glob(_) => self.module().globs.push(before.clone()),
            UseTree::Name(name) if name.ident == "self" => {
                self.import_as(before.last().unwrap().clone(), before.clone(), is_public);
            }
            UseTree::Name(name) => self.import_as(name.ident.to_string(), joined(&name.ident), is_public),
            UseTree::Rename(renamed) => {
                let target = if renamed.ident == "self" { before.clone() } else { joined(&renamed.ident) };
                self.import_as(renamed.rename.to_string(), target, is_public);
            }
        }
    }

    fn import_as(&mut self, name: String, target: Segments, is_public: bool) {
        let module = self.module();
        if !is_public {
            module.private.push(target.clone());
        }
        if name != "_" {
            module.imports.insert(name, target);
        }
    }

    fn function(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let (first, last) =
            (block.brace_token.span.open().start().line, block.brace_token.span.close().end().line);
        let above = self.lines[..signature.fn_token.span.start().line - 1].iter().rev();
        let mut above = above.map(|line| line.trim()).take_while(|line| line.starts_with(['/', '#']));
        let has_reason = above.any(|line| line.starts_with("// Long because"));
        self.tree.functions.push(Function {
            file: self.file.to_owned(),
            name: signature.ident.to_string(),
            tuples: count(&signature.inputs, is_tuple),
            bools: count(&signature.inputs, is_bool),
            lines: (last - first).saturating_sub(1).max(1),
            has_reason,
        });
    }

    /// The paths in tokens that nobody has parsed: what macros and attributes are given.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Segments = Vec::new();
        let mut colons = 0;
        for token in tokens {
            if matches!(&token, TokenTree::Punct(point) if point.as_char() == ':') {
                colons += 1;
                continue;
            }
            if colons != 2 || !matches!(token, TokenTree::Ident(_)) {
                self.name(std::mem::take(&mut path));
            }
            colons = 0;
            match token {
                TokenTree::Ident(name) => path.push(name.to_string()),
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Literal(text) => self.quoted(&text),
                TokenTree::Punct(_) => {}
            }
        }
        self.name(path);
    }

    /// A path in quotes, as serde's attributes have them.
    fn quoted(&mut self, text: &Literal) {
        let text = text.to_string();
        let path: Segments = text.trim_matches('"').split("::").map(str::to_owned).collect();
        let is_word =
            |word: &String| !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || c == '_');
        if text.starts_with('"') && path.len() > 1 && path.iter().all(is_word) {
            self.name(path);
        }
    }

    fn name(&mut self, path: Segments) {
        if !path.is_empty() {
            self.module().paths.push(path);
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_for_tests(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        self.path.push(module.ident.to_string());
        match &module.content {
            Some((_, items)) => self.modules(items),
            None => self.files.push(self.path.clone()),
        }
        self.path.pop();
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let is_public = !matches!(item.vis, Visibility::Inherited);
        self.import(&item.tree, &Vec::new(), is_public);
    }

    fn visit_item_macro(&mut self, item: &'ast syn::ItemMacro) {
        if let Some(name) = &item.ident {
            self.module().macros.push(name.to_string());
        }
        self.visit_macro(&item.mac);
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_for_tests(&item.attrs) {
            self.function(&item.sig, &item.block);
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.name(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_macro(&mut self, invoked: &'ast syn::Macro) {
        if let Some(name) = invoked.path.get_ident() {
            self.module().invoked.push(name.to_string());
        }
        self.visit_path(&invoked.path);
        self.tokens(invoked.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let syn::Meta::List(list) = &attribute.meta {
            self.tokens(list.tokens.clone());
        }
    }
}

/// How many parameters have such a type.
fn count(inputs: &Punctuated<FnArg, Token![,]>, is_such: impl Fn(&Type) -> bool) -> usize {
    inputs.iter().filter(|input| matches!(input, FnArg::Typed(typed) if is_such(&typed.ty))).count()
}

fn is_tuple(kind: &Type) -> bool {
    if let Type::Reference(reference) = kind {
        return is_tuple(&reference.elem);
    }
    matches!(kind, Type::Tuple(tuple) if !tuple.elems.is_empty())
}

fn is_bool(kind: &Type) -> bool {
    matches!(kind, Type::Path(path) if path.path.is_ident("bool"))
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::Path(path) => path.is_ident("test"),
        syn::Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        syn::Meta::NameValue(_) => false,
    })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "what is not here does not occur in the gateway")]
fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
