//! The mission document, acted out: its curl, PHP and Python snippets, word for word but for the
//! host, post its `batch-data.xml`; behind the gateway stand Apache with `Dav On` and nginx with
//! `dav_methods`. Files are moved, copied and deleted, some of it fails, and what comes back is a
//! multistatus that RFC 4918 and a WebDAV library take.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::harness::apache::Apache;
use crate::harness::multistatus::judge;
use crate::harness::nginx::Nginx;
use crate::harness::programs::{program, python, succeed, test_file};
use crate::harness::{Config, Gateway, Reply, Request};

const LOCK: &str = "<lockinfo xmlns='DAV:'><lockscope><exclusive/></lockscope><locktype><write/></locktype>\
                    <owner>a test</owner></lockinfo>";

#[test]
fn curl_moves_copies_and_deletes_on_apache() {
    let apache = apache_with_files();
    let reply = post_with_curl(&gateway_before(&apache.url()));
    let judged = judge(body_of(&reply));
    assert_eq!(judged.status("/webdav/draft.txt"), 201);
    assert_eq!(judged.status("/webdav/template.txt"), 201);
    assert_eq!(judged.status("/webdav/note.txt"), 201);
    assert_partial_failure(&judged);
    assert_files_changed(&apache.files());
}

#[test]
fn curl_moves_copies_and_deletes_on_nginx() {
    let nginx = nginx_with_files();
    let reply = post_with_curl(&gateway_before(&nginx.url()));
    let judged = judge(body_of(&reply));
    assert_eq!(judged.status("/webdav/draft.txt"), 204);
    assert_eq!(judged.status("/webdav/template.txt"), 204);
    assert_eq!(judged.status("/webdav/note.txt"), 201);
    assert_partial_failure(&judged);
    assert_files_changed(&nginx.files());
}

#[test]
fn php_gets_the_multi_status_from_apache() {
    let apache = apache_with_files();
    let said = run_snippet("post.php", &gateway_before(&apache.url()), &program("php"));
    assert_eq!(said, "Multi-Status response received.");
    assert_files_changed(&apache.files());
}

#[test]
fn php_gets_the_multi_status_from_nginx() {
    let nginx = nginx_with_files();
    let said = run_snippet("post.php", &gateway_before(&nginx.url()), &program("php"));
    assert_eq!(said, "Multi-Status response received.");
    assert_files_changed(&nginx.files());
}

#[test]
fn python_gets_the_multi_status_from_apache() {
    let apache = apache_with_files();
    let said = run_snippet("post.py", &gateway_before(&apache.url()), &python());
    assert_eq!(said, "Multi-Status response received\n");
    assert_files_changed(&apache.files());
}

#[test]
fn python_gets_the_multi_status_from_nginx() {
    let nginx = nginx_with_files();
    let said = run_snippet("post.py", &gateway_before(&nginx.url()), &python());
    assert_eq!(said, "Multi-Status response received\n");
    assert_files_changed(&nginx.files());
}

#[test]
fn a_locked_member_fails_its_collection_and_both_are_told() {
    let apache = apache_with_folder();
    let gateway = gateway_before(&apache.url());
    lock_member(&gateway);
    let batch = "<batch><request id='d' method='DELETE' href='/webdav/folder/'/></batch>";
    let judged = judge(&post_xml(&gateway, batch).body);
    assert_eq!(judged.status("/webdav/folder/locked.txt"), 423);
    assert_eq!(judged.item("d")["status"], "424");
    let held = &judged.response("/webdav/folder/")["items"][0]["id"];
    assert_eq!(held, "d", "the item stands in its own href's response");
    assert!(apache.files().join("folder/locked.txt").is_file());
}

#[test]
fn a_locked_member_keeps_its_collection_from_moving() {
    let apache = apache_with_folder();
    let gateway = gateway_before(&apache.url());
    lock_member(&gateway);
    let batch = "<batch><request id='m' method='MOVE' href='/webdav/folder/'>\
                 <header name='Destination'>/webdav/elsewhere/</header></request>\
                 <request id='p' method='PUT' href='/webdav/free.txt'><body type='text/plain'>x</body></request></batch>";
    let judged = judge(&post_xml(&gateway, batch).body);
    assert_eq!(judged.status("/webdav/folder/locked.txt"), 423);
    assert_eq!(judged.item("m")["status"], "424");
    assert_eq!(judged.item("p")["status"], "201");
}

#[test]
fn a_propfind_item_has_its_members_merged_in() {
    let apache = apache_with_folder();
    let batch = "<batch><request id='p' method='PROPFIND' href='/webdav/folder/'>\
                 <header name='Depth'>1</header></request></batch>";
    let judged = judge(&post_xml(&gateway_before(&apache.url()), batch).body);
    let mut hrefs = judged.hrefs();
    hrefs.sort_unstable();
    assert_eq!(hrefs, ["/webdav/folder/", "/webdav/folder/locked.txt", "/webdav/folder/plain.txt"]);
    let folder = judged.response("/webdav/folder/");
    assert!(folder["status"].is_null(), "a response has a status or propstats, never both");
    assert_eq!(folder["propstats"][0], "HTTP/1.1 200 OK");
    assert_eq!(judged.item("p")["status"], "207");
}

#[test]
fn hrefs_of_a_merged_multistatus_come_back_mapped() {
    let apache = apache_with_folder();
    let files = Config::new().upstream("files", apache.url()).route("/old/", "files");
    let gateway = files.with("strip_prefix: /old").batch("/batch-operation").start();
    let propfind = Request::new("PROPFIND", "/old/webdav/folder/").header("Depth", "1");
    let proxied = gateway.send(&propfind);
    let batch = "<batch><request id='p' method='PROPFIND' href='/old/webdav/folder/'>\
                 <header name='Depth'>1</header></request></batch>";
    for document in [proxied.body, post_xml(&gateway, batch).body] {
        let judged = judge(&document);
        let hrefs = judged.hrefs();
        assert!(hrefs.iter().all(|href| href.starts_with("/old/webdav/folder/")), "{hrefs:?}");
    }
}

/// A gateway as the mission's reader would set it up.
fn gateway_before(target: &str) -> Gateway {
    Config::new().upstream("files", target).route("/webdav/", "files").batch("/batch-operation").start()
}

fn apache_with_files() -> Apache {
    let apache = Apache::with_dav();
    put_files(&apache.files());
    apache.take_over_files();
    apache
}

fn nginx_with_files() -> Nginx {
    let nginx = Nginx::with_dav();
    put_files(&nginx.files());
    nginx
}

fn put_files(folder: &Path) {
    for name in ["draft", "template", "obsolete"] {
        fs::write(folder.join(name).with_extension("txt"), name).unwrap();
    }
}

fn apache_with_folder() -> Apache {
    let apache = Apache::with_dav();
    fs::create_dir(apache.files().join("folder")).unwrap();
    for name in ["locked.txt", "plain.txt"] {
        fs::write(apache.files().join("folder").join(name), name).unwrap();
    }
    apache.take_over_files();
    apache
}

fn lock_member(gateway: &Gateway) {
    let lock = Request::new("LOCK", "/webdav/folder/locked.txt").header("Content-Type", "application/xml");
    assert_eq!(gateway.send(&lock.body(LOCK)).status, 200);
}

fn post_xml(gateway: &Gateway, batch: &str) -> Reply {
    let reply = gateway.send(&Request::post("/batch-operation", "application/xml", batch));
    assert_eq!(reply.status, 207, "{}", String::from_utf8_lossy(&reply.body));
    reply
}

/// A folder with the mission's batch and one of its snippets, which names the gateway's host and port
/// in place of `example.com`.
fn snippet_folder(snippet: &str, gateway: &Gateway) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(test_file("mission/batch-data.xml"), folder.path().join("batch-data.xml")).unwrap();
    let code = fs::read_to_string(test_file("mission").join(snippet)).unwrap();
    let code = code.replace("example.com", &gateway.address().to_string());
    fs::write(folder.path().join(snippet), code).unwrap();
    folder
}

fn run_snippet(snippet: &str, gateway: &Gateway, with: &Path) -> String {
    let folder = snippet_folder(snippet, gateway);
    succeed(Command::new(with).arg(snippet).current_dir(folder.path()))
}

fn post_with_curl(gateway: &Gateway) -> String {
    program("curl");
    let reply = run_snippet("curl.sh", gateway, Path::new("/bin/sh"));
    assert!(reply.starts_with("HTTP/1.1 207 Multi-Status\r\n"), "{reply}");
    reply
}

fn body_of(reply: &str) -> &[u8] {
    reply.split_once("\r\n\r\n").unwrap().1.as_bytes()
}

fn assert_partial_failure(judged: &crate::harness::multistatus::Judged) {
    assert_eq!(judged.status("/webdav/obsolete.txt"), 204);
    assert_eq!(judged.status("/webdav/missing.txt"), 404);
    assert_eq!(judged.status("/webdav/nowhere.txt"), 404);
}

fn assert_files_changed(folder: &Path) {
    let content = |name: &str| fs::read_to_string(folder.join(name)).ok();
    assert_eq!(content("final.txt").as_deref(), Some("draft"));
    assert_eq!(content("copy.txt").as_deref(), Some("template"));
    assert_eq!(content("note.txt").as_deref(), Some("a note"));
    assert_eq!(content("draft.txt"), None);
    assert_eq!(content("obsolete.txt"), None);
    assert_eq!(content("template.txt").as_deref(), Some("template"));
}
