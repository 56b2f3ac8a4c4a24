//! rclone, a real client of WebDAV, in front of servers that have their files at another path than the gateway.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::apache::Apache;
use crate::harness::nginx::Nginx;
use crate::harness::programs::{program, succeed};
use crate::harness::{Config, Gateway};

/// Names that have to be encoded in urls, and read back from hrefs.
const NAMES: [&str; 7] = [
    "plain.txt",
    "with space/\u{e4} \u{f6}.txt",
    "100%/x%20y.txt",
    "a+b&c=d.txt",
    "semi;colon.txt",
    "hash#mark.txt",
    "q'uo\"te.txt",
];

fn rclone(arguments: &[&str], url: &str) -> String {
    let mut rclone = Command::new(program("rclone"));
    rclone.args(["--config", "/dev/null", "--retries", "1", "--webdav-url", url]).args(arguments);
    succeed(&mut rclone)
}

fn put(folder: &Path) {
    for name in NAMES {
        let file = folder.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, format!("this is {name}")).unwrap();
    }
}

/// The files below a folder, with what they have in them.
fn files(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            found.extend(
                files(&entry)
                    .into_iter()
                    .map(|(path, text)| (Path::new(entry.file_name().unwrap()).join(path), text)),
            );
        } else {
            found.insert(entry.file_name().unwrap().into(), fs::read_to_string(&entry).unwrap());
        }
    }
    found
}

fn gateway(server: &str, rewrite: &str) -> Gateway {
    Config::new().upstream("files", server).route("/team/files", "files").with(rewrite).start()
}

/// Up, down again, listed, moved and removed.
fn check(gateway: &Gateway) {
    let (here, back) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    put(here.path());
    let url = gateway.url("/team/files/");
    let (local, copy) = (here.path().to_str().unwrap(), back.path().to_str().unwrap());
    rclone(&["copy", local, ":webdav:sent"], &url);
    let listed = rclone(&["lsf", "-R", "--files-only", ":webdav:sent"], &url);
    let mut listed: Vec<_> = listed.lines().collect();
    let mut expected = NAMES.to_vec();
    listed.sort_unstable();
    expected.sort_unstable();
    assert_eq!(listed, expected);
    rclone(&["moveto", ":webdav:sent/100%/x%20y.txt", ":webdav:sent/moved to/50%25.txt"], &url);
    rclone(&["copyto", ":webdav:sent/moved to/50%25.txt", ":webdav:sent/100%/x%20y.txt"], &url);
    rclone(&["deletefile", ":webdav:sent/moved to/50%25.txt"], &url);
    rclone(&["rmdirs", "--leave-root", ":webdav:sent"], &url);
    rclone(&["copy", ":webdav:sent", copy], &url);
    assert_eq!(files(back.path()), files(here.path()));
    rclone(&["purge", ":webdav:sent"], &url);
    assert_eq!(rclone(&["lsf", ":webdav:"], &url), "");
}

#[test]
fn files_come_back_as_they_went_behind_another_path() {
    let (apache, nginx) = (Apache::with_dav(), Nginx::with_dav());
    let rewrite = "rewrite: { strip_prefix: /team/files, add_prefix: /webdav }";
    check(&gateway(&apache.url(), rewrite));
    check(&gateway(&nginx.url(), rewrite));
    check(&gateway(&format!("{}/webdav", apache.url()), "rewrite: { strip_prefix: /team/files }"));
}
