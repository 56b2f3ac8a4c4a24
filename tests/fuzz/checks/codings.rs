//! Content codings: no more than the limit comes out, and what was encoded comes back.

use std::io::Write as _;

use batchgate::format::{decode_batch, decode_reply};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

use super::first_line;

const LIMIT: usize = 64 << 10;

/// The first line is the Content-Encoding.
pub(crate) fn content_coding(input: &[u8]) {
    let Some((coding, body)) = first_line(input) else { return };
    let body = Bytes::copy_from_slice(body);
    let small = decode_reply(coding, body.clone(), 100);
    let decoded = decode_batch(coding, body.clone(), LIMIT);
    assert!(decoded.as_ref().map_or(0, Bytes::len) <= LIMIT, "more than the limit came out");
    match (small, decoded) {
        (Ok(small), Ok(decoded)) => assert_eq!(small, decoded),
        (Ok(_), Err(refusal)) => panic!("{refusal}, and with a smaller limit it is none"),
        // What passes on its way over the small limit may be shorter in the end.
        (Err(_), _) => {}
    }
    if body.len() > LIMIT / 2 {
        return;
    }
    for (coding, encoded) in encoded(&body).expect("memory can be written to") {
        let decoded = decode_batch(coding, encoded, LIMIT);
        assert_eq!(decoded.as_ref(), Ok(&body), "{coding}");
    }
}

fn encoded(body: &[u8]) -> std::io::Result<[(&'static str, Bytes); 4]> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(body)?;
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    zlib.write_all(body)?;
    let mut deflate = DeflateEncoder::new(Vec::new(), Compression::fast());
    deflate.write_all(body)?;
    Ok([
        ("gzip", gzip.finish()?.into()),
        ("deflate", zlib.finish()?.into()),
        ("deflate", deflate.finish()?.into()),
        ("zstd", zstd::encode_all(body, 1)?.into()),
    ])
}
