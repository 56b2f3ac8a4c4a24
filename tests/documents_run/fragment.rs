//! Parts of configurations that documents show: what they need beside themselves is added, so that `batchgate check`
//! can judge them.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::harness::certificate::Certificate;
use crate::harness::programs::{program, run};

/// What the files that a configuration names are, by their ending.
type Made = fn(&Certificate) -> String;

/// Names of keys behind which the name of a file stands, and what is in such a file.
const FILES: [(&str, Made); 7] = [
    ("certificate:", |made| fs::read_to_string(made.chain()).unwrap()),
    ("key:", |made| fs::read_to_string(made.key()).unwrap()),
    ("client_ca:", |made| fs::read_to_string(made.authority()).unwrap()),
    ("ca:", |made| fs::read_to_string(made.authority()).unwrap()),
    ("jwks:", |made| jwks(made)),
    ("api_keys: { file:", |_| API_KEYS.to_owned()),
    ("{ file:", |_| "a secret".to_owned()),
];

/// The SHA-256 of "secret".
const API_KEYS: &str = "alice:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b\n";

/// A configuration with this part in it.
pub(super) fn completed(part: &str) -> String {
    let has = |key: &str| part.lines().any(|line| line.starts_with(key));
    let mut text = part.to_owned();
    if !has("listen:") {
        text += "listen: 127.0.0.1:8080\n";
    }
    if !has("routes:") {
        text += "routes: [{ path: /, respond: { status: 404 } }]\n";
    }
    let mut names: Vec<_> = words_behind(part, "upstream:");
    names.sort_unstable();
    names.dedup();
    if !has("upstreams:") && !names.is_empty() {
        text += "upstreams:\n";
        for name in names {
            text.extend(["  ", name.as_str(), ": { targets: [\"http://127.0.0.1:9001\"] }\n"]);
        }
    }
    text
}

/// Makes the files that a configuration names and that are not there.
pub(super) fn make_files(configuration: &str, folder: &Path) {
    let mut made = None;
    for (key, content) in FILES {
        for name in words_behind(configuration, key) {
            let file = folder.join(&name);
            // Names with a path of their own are the system's.
            if file.exists() || name.starts_with('/') || name.is_empty() {
                continue;
            }
            let certificate = made.get_or_insert_with(Certificate::for_loopback);
            fs::write(file, content(certificate)).unwrap();
        }
    }
}

/// The words behind a key, wherever it stands outside of comments.
fn words_behind(text: &str, key: &str) -> Vec<String> {
    let code = text.lines().map(|line| line.split(" #").next().unwrap_or_default());
    let code: Vec<_> = code.filter(|line| !line.trim_start().starts_with('#')).collect();
    let code = code.join("\n");
    let is_whole = |at: usize| code[..at].chars().last().is_none_or(|c| !c.is_alphanumeric() && c != '_');
    let starts = code.match_indices(key).filter(|(at, _)| is_whole(*at));
    let words = starts.map(|(at, _)| {
        let rest = code[at + key.len()..].trim_start_matches(' ');
        rest.chars().take_while(|c| !c.is_whitespace() && !",}]".contains(*c)).collect::<String>()
    });
    words.map(|word| word.trim_matches('"').to_owned()).filter(|word| !word.is_empty()).collect()
}

/// A JWK Set with the public key of the certificate, which is one of P-256.
fn jwks(made: &Certificate) -> String {
    use base64::Engine as _;
    let mut openssl = Command::new(program("openssl"));
    openssl.args(["ec", "-pubout", "-outform", "DER", "-in"]).arg(made.key());
    let output = run(&mut openssl).stdout;
    let point = &output[output.len() - 64..];
    let encode = |bytes: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    let (x, y) = (encode(&point[..32]), encode(&point[32..]));
    format!(r#"{{"keys":[{{"kty":"EC","crv":"P-256","alg":"ES256","kid":"1","x":"{x}","y":"{y}"}}]}}"#)
}

#[test]
fn parts_are_completed() {
    let text = completed("routes:\n  - { path: /orders, upstream: legacy } # upstream: other\n");
    assert!(text.contains("\nlisten:") && text.contains("  legacy:") && !text.contains("  other:"), "{text}");
    assert_eq!(completed("listen: a\nroutes: []\n"), "listen: a\nroutes: []\n");
    assert_eq!(words_behind("a: { ca: x.pem, client_ca: y.pem }", "ca:"), ["x.pem"]);
}
