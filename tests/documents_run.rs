//! Every fenced block of every document: commands run in order, as a reader would run them, and what the documents
//! show of their output is what they print. `README.md` ("Blocks of documents") says what the words behind a fence mean.

mod fragment;
mod others;
mod output;
mod rewriting;
mod session;

use std::path::{Path, PathBuf};

use crate::documents::files_below;
use crate::harness::markdown::{Block, blocks_of};

use self::session::Session;

/// Blocks that are not run, each by its document and the beginning of its first line, with the reason.
const NOT_RUN: &[(&str, &str, &str)] = &[
    ("README.md", "cargo install", "builds the program, which the tests have built"),
    ("deploy/README.md", "cargo build --release", "installs into the system"),
    ("deploy/README.md", "batchgate check --config /etc", "needs systemd"),
    ("deploy/README.md", "sudo install", "installs into the system, needs systemd"),
    ("deploy/README.md", "docker build", "needs Docker"),
    ("deploy/README.md", "docker compose", "needs Docker"),
    ("deploy/README.md", "deploy/deb", "installs into the system; tests/deploy/debian.rs does so in a copy"),
    ("deploy/README.md", "kubectl apply", "needs a cluster; tests/deploy/overlays.rs builds the overlays"),
    ("deploy/README.md", "helm install", "needs a cluster; tests/deploy/chart.rs renders the chart"),
];

/// Blocks that show something without being its output, each with the reason for that.
const ONLY_SHOWN: &[(&str, &str, &str)] = &[
    (
        "config/semantics.md",
        "Server-Timing:",
        "times of a batch that took long; tests/server_timing.rs has the field",
    ),
    ("deploy/operations.md", "{\"timestamp\"", "lines of several configurations; tests/logs.rs has them"),
    ("config/webdav.md", "<Location", "a part of Apache's configuration; tests/mission.rs has the whole"),
    (
        "config/webdav.md",
        "location /webdav",
        "a part of nginx's configuration; tests/mission.rs has the whole",
    ),
];

#[test]
fn the_readme_does_what_it_says() {
    run_blocks("README.md");
}

#[test]
fn the_recipes_do_what_they_say() {
    run_blocks("config/howto.md");
}

#[test]
fn the_page_about_configuration_does_what_it_says() {
    run_blocks("config/README.md");
}

#[test]
fn the_page_about_formats_does_what_it_says() {
    run_blocks("config/formats.md");
}

#[test]
fn the_page_about_semantics_does_what_it_says() {
    run_blocks("config/semantics.md");
}

#[test]
fn the_page_about_commands_does_what_it_says() {
    run_blocks("config/commands.md");
}

/// Documents that have a test of their own, so that they run at the same time.
const RUN_ALONE: [&str; 6] = [
    "README.md",
    "config/README.md",
    "config/commands.md",
    "config/formats.md",
    "config/howto.md",
    "config/semantics.md",
];

#[test]
fn the_other_documents_do_what_they_say() {
    for document in documents() {
        if !RUN_ALONE.contains(&document.as_str()) {
            run_blocks(&document);
        }
    }
}

/// What an example's last command prints, as far as it is always the same.
const PRINTED_BY_EXAMPLES: &[(&str, &str)] = &[
    ("apisix.yaml", "[{\"status\":200,"),
    ("azure.yaml", "x-ms-error-code: forbidden_url"),
    ("bulk.yaml", "\"summary\":{\"items\":2,\"failed\":2}"),
    ("edge.yaml", "200"),
    ("compress.yaml", "gzip"),
    ("decompress.yaml", "201"),
    ("named.yaml", "200"),
    ("asked.yaml", "200"),
    ("cors.yaml", "https://app.example"),
    ("headers.yaml", "DENY for 127.0.0.1"),
    ("fair.yaml", "\"clients\";q=5;w=1"),
    ("grpc.yaml", "grpc.yaml: ok"),
    ("hosts.yaml", "Any other name."),
    ("rewrite.yaml", "201 /shop/"),
    ("redirects.yaml", "308 /new/a/b?q=1"),
    ("health.yaml", "{target=\"127.0.0.1:9011\",upstream=\"orders\"} 0"),
    ("keys.yaml", "\"summary\":{\"items\":4,\"failed\":0}"),
    ("live.yaml", "live.yaml: ok"),
    ("metrics.yaml", "batchgate_items_total{code=\"200\""),
    ("proxied.yaml", "200"),
    ("retries.yaml", "\"summary\":{\"items\":4,\"failed\":0}"),
    ("socket.yaml", "socket.yaml: ok"),
    ("tls.yaml", "tls.yaml: ok"),
    ("compensate.yaml", "HTTP/1.1 404 Not Found"),
    ("formats.yaml", "HTTP/1.1 404 Not Found"),
    ("google.yaml", "\"status\":\"NOT_FOUND\"}}"),
    ("graph.yaml", "{\"id\":\"4\",\"status\":424"),
    ("legacy-prefix.yaml", "\"Location\":\"/legacy/orders/22\""),
    ("odata-3.yaml", "Content-ID: next\r\n\r\nHTTP/1.1 200 OK"),
    ("odata.yaml", "HTTP/1.1 404 Not Found"),
    ("orders.yaml", "\"summary\":{\"items\":3,\"failed\":1}"),
    ("start.yaml", "\"summary\":{\"items\":3,\"failed\":2}"),
    ("tokens.yaml", "\"summary\":{\"items\":4,\"failed\":0}"),
    ("tyk.yaml", "\"code\":404"),
    ("webdav.yaml", "3 of 3 succeeded"),
];

#[test]
fn the_examples_do_what_their_comments_say() {
    let mut commands = String::new();
    for (name, printed) in PRINTED_BY_EXAMPLES {
        let document = format!("config/examples/{name}");
        let mut session = Session::new(&document);
        if *name == "webdav.yaml" {
            session.start_webdav_servers();
        }
        for block in commands_of(&document) {
            take(&mut session, &block);
            commands += &block.text;
        }
        assert!(session.printed().contains(printed), "{name}: {printed} is not in\n{}", session.printed());
    }
    for file in std::fs::read_dir(root().join("config/examples")).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        assert!(commands.contains(&format!("config/examples/{name}")), "no example uses {name}");
    }
}

#[test]
fn the_commands_that_the_demo_prints_work() {
    let mut session = Session::new("README.md");
    session.open_terminal(&Block::of_commands("demo", 1, &["terminal=demo"], "batchgate demo\n"));
    let printed = session.printed_in_terminal("demo");
    let commands: Vec<_> = printed.lines().filter(|line| line.starts_with("  curl ")).collect();
    assert!(commands.len() >= 5, "{printed}");
    for command in commands {
        session.run(&Block::of_commands("demo", 1, &[], command));
        assert!(session.printed().contains('{') || session.printed().contains('<'), "{command}");
    }
}

/// The commands in the comment of an example: lines behind `#   `. A demo and a gateway stay in terminals of their own.
fn commands_of(document: &str) -> Vec<Block> {
    let text = std::fs::read_to_string(root().join(document)).unwrap();
    let mut blocks: Vec<Block> = Vec::new();
    for (line, command) in (1..).zip(text.lines()) {
        let Some(command) = command.strip_prefix("#   ") else { continue };
        let command = format!("{command}\n");
        if let Some(block) = blocks.last_mut().filter(|block| block.text.ends_with("\\\n")) {
            block.text += &command;
            continue;
        }
        let terminal = format!("terminal={line}");
        let stays = command.contains("batchgate demo") || command.contains("batchgate run");
        let words: &[&str] = if stays { &[&terminal] } else { &[] };
        blocks.push(Block::of_commands(document, line, words, &command));
    }
    blocks
}

#[test]
fn what_is_not_run_is_still_there() {
    let blocks: Vec<_> = documents().iter().flat_map(|document| blocks_of(&root(), document)).collect();
    for listed in NOT_RUN.iter().chain(ONLY_SHOWN) {
        let is_there = blocks.iter().any(|block| is_listed(block, &[*listed]));
        assert!(is_there, "{listed:?} is in no document any more");
    }
}

/// Takes a document's blocks one after the other.
///
/// # Panics
/// When one of them does not do what the document says, or nobody can tell what it is.
fn run_blocks(document: &str) {
    let blocks = blocks_of(&root(), document);
    if blocks.is_empty() {
        return;
    }
    let mut session = Session::new(document);
    for block in &blocks {
        take(&mut session, block);
    }
}

fn take(session: &mut Session, block: &Block) {
    let place = block.place();
    match block.kind.as_str() {
        "sh" if is_listed(block, NOT_RUN) => session.forget_output(),
        "sh" if block.value("terminal").is_some() => session.open_terminal(block),
        "sh" => session.run(block),
        "console" => session.run_console(block),
        "text" | "json" | "xml" | "http" if block.has("output") => session.compare(block),
        "yaml" if block.value("from").is_some() => assert_is_part_of_its_file(block),
        "nginx" if block.has("fragment") => others::check_nginx(block),
        "yaml" if block.has("traefik") => others::check_traefik(block),
        "yaml" if block.has("fragment") => session.check_fragment(block),
        "yaml" => session.check_configuration(block),
        "json" => {
            let parsed = serde_json::from_str::<serde_json::Value>(&block.text);
            assert!(parsed.is_ok(), "{place} is not JSON: {parsed:?}");
            session.keep(block);
        }
        "xml" => {
            assert_is_xml(block);
            session.keep(block);
        }
        "text" if block.value("file").is_some() => session.keep(block),
        "text" if block.has("case") => {
            crate::case::parse(place, &block.text).unwrap();
        }
        "text" => assert!(
            is_listed(block, ONLY_SHOWN),
            "{place}: text is `output`, has a `file=`, or is listed in ONLY_SHOWN with a reason"
        ),
        other => panic!("{place}: nobody knows what to do with a block of kind `{other}`"),
    }
}

fn is_listed(block: &Block, list: &[(&str, &str, &str)]) -> bool {
    list.iter().any(|(document, start, _)| *document == block.document && block.text.starts_with(start))
}

/// A part of a file of the repository, line by line. Another test checks the file.
fn assert_is_part_of_its_file(block: &Block) {
    let name = block.value("from").unwrap_or_default();
    let file = std::fs::read_to_string(root().join(name)).unwrap();
    assert!(file.contains(&block.text), "{} is not a part of {name}", block.place());
}

fn assert_is_xml(block: &Block) {
    let mut reader = quick_xml::Reader::from_str(&block.text);
    loop {
        match reader.read_event() {
            Ok(quick_xml::events::Event::Eof) => return,
            Ok(_) => {}
            Err(error) => panic!("{} is not XML: {error}", block.place()),
        }
    }
}

/// The documents of the repository.
fn documents() -> Vec<String> {
    let name = |file: PathBuf| file.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
    files_below("", "md").into_iter().map(name).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}
