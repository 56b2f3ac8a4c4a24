//! Undoes content codings (RFC 9110 §8.4) of batches and of upstreams' replies, whose bodies are here as a whole: gzip
//! (RFC 1952), deflate (RFC 1950), br (RFC 7932) and zstd (RFC 8878).
//!
//! Safe with hostile input: the output is counted while it is produced, no more than the limit is
//! kept, windows are capped (RFC 9659), a list has two codings at most, and a body that ends too early or
//! too late is an error.

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, HeaderMap};

use super::body::{BodyDecoder, Pulled};
use super::decoded::{Coding, CodingError, Codings};
use crate::batch::BatchRefusal;

/// Undoes the codings of a batch's body, `content_encoding` being the field's value (the values of
/// several fields joined by commas).
///
/// # Errors
/// Refuses unknown codings, broken bodies, and those that are over `limit` bytes at any stage.
pub fn decode_batch(content_encoding: &str, body: Bytes, limit: usize) -> Result<Bytes, BatchRefusal> {
    decode_reply(content_encoding, body, limit).map_err(|fault| match fault {
        CodingError::Unsupported => BatchRefusal::UnsupportedContentEncoding,
        CodingError::Corrupt(coding) => BatchRefusal::BadContentEncoding { coding },
        CodingError::TooLarge => BatchRefusal::BodyTooLarge { limit },
    })
}

/// The codings of a reply with these fields, for [`decode_reply`]; `None` if it has none.
#[must_use]
pub fn codings_of(headers: &HeaderMap) -> Option<String> {
    let values = headers.get_all(CONTENT_ENCODING).iter();
    let codings: Vec<_> = values.map(|value| value.to_str().unwrap_or("?")).collect();
    (!codings.is_empty()).then(|| codings.join(","))
}

/// Undoes the codings of a reply's body; `limit` holds for a body without codings, too.
///
/// # Errors
/// Says why they can't be undone.
pub fn decode_reply(content_encoding: &str, body: Bytes, limit: usize) -> Result<Bytes, CodingError> {
    let codings = Codings::parse(content_encoding)?;
    if body.len() > limit {
        return Err(CodingError::TooLarge);
    }
    // Many servers name a coding even for an empty body.
    if body.is_empty() || codings.outermost() == Coding::Identity {
        return Ok(body);
    }
    let mut decoder = BodyDecoder::new(codings, limit)?;
    decoder.push(body);
    decoder.end();
    let mut plain = Vec::new();
    while let Pulled::Piece(piece) = decoder.pull()? {
        // Grows by doubling, but never over the limit.
        if plain.capacity() - plain.len() < piece.len() {
            plain.reserve_exact(plain.len().max(piece.len()).min(limit - plain.len()));
        }
        plain.extend_from_slice(&piece);
    }
    Ok(plain.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use proptest::prelude::*;

    use super::*;

    const PLAIN: &[u8] = b"{\"requests\":[]}";
    const LIMIT: usize = 1 << 20;
    /// What the reference encoder makes of [`PLAIN`], and of ten million zeros.
    const BROTLI_PLAIN: [u8; 19] = [
        0x0b, 0x07, 0x80, 0x7b, 0x22, 0x72, 0x65, 0x71, 0x75, 0x65, 0x73, 0x74, 0x73, 0x22, 0x3a, 0x5b, 0x5d,
        0x7d, 0x03,
    ];
    const BROTLI_BOMB: [u8; 27] = [
        0xcb, 0xff, 0xff, 0x3f, 0xf8, 0x25, 0x60, 0xe2, 0xb1, 0x40, 0x20, 0xf7, 0xfe, 0x2f, 0xff, 0x2c, 0x31,
        0xf0, 0x4b, 0x00, 0xc4, 0x61, 0x11, 0x80, 0x8e, 0x23, 0x06,
    ];

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(plain: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn raw_deflate(plain: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(plain: &[u8]) -> Vec<u8> {
        zstd::stream::encode_all(plain, 1).unwrap()
    }

    fn brotli() -> Vec<u8> {
        BROTLI_PLAIN.to_vec()
    }

    fn all() -> Vec<(&'static str, Vec<u8>)> {
        vec![
            ("gzip", gzip(PLAIN)),
            ("X-GZIP", gzip(PLAIN)),
            ("deflate", zlib(PLAIN)),
            ("deflate", raw_deflate(PLAIN)),
            ("zstd", zstd(PLAIN)),
            ("br", brotli()),
            ("identity", PLAIN.to_vec()),
            ("", PLAIN.to_vec()),
            ("gzip, zstd", zstd(&gzip(PLAIN))),
            (" , identity ,gzip", gzip(PLAIN)),
        ]
    }

    fn reply(coding: &str, body: Vec<u8>, limit: usize) -> Result<Bytes, CodingError> {
        decode_reply(coding, body.into(), limit)
    }

    #[test]
    fn every_coding_is_undone() {
        for (coding, body) in all() {
            assert_eq!(reply(coding, body, LIMIT).as_deref(), Ok(PLAIN), "{coding}");
        }
    }

    #[test]
    fn the_limit_is_exact() {
        for (coding, body) in all().into_iter().filter(|(_, body)| body.len() <= PLAIN.len()) {
            let limit = PLAIN.len();
            assert!(reply(coding, body.clone(), limit).is_ok(), "{coding}");
            assert_eq!(reply(coding, body, limit - 1), Err(CodingError::TooLarge), "{coding}");
        }
        let plain = vec![b'0'; 5000];
        for (coding, body) in [("gzip", gzip(&plain)), ("zstd", zstd(&plain)), ("deflate", zlib(&plain))] {
            assert!(reply(coding, body.clone(), 5000).is_ok(), "{coding}");
            assert_eq!(reply(coding, body, 4999), Err(CodingError::TooLarge), "{coding}");
        }
    }

    #[test]
    fn bombs_stop_at_the_limit() {
        let plain = vec![b'0'; 10_000_000];
        let bombs = [
            ("gzip", gzip(&plain)),
            ("zstd", zstd(&plain)),
            ("deflate", zlib(&plain)),
            ("br", BROTLI_BOMB.to_vec()),
            ("gzip, gzip", gzip(&gzip(&plain))),
        ];
        for (coding, body) in bombs {
            assert_eq!(reply(coding, body, LIMIT), Err(CodingError::TooLarge), "{coding}");
        }
    }

    #[test]
    fn what_ends_too_early_or_too_late_is_corrupt() {
        for (coding, body) in all().into_iter().filter(|(coding, _)| !matches!(*coding, "" | "identity")) {
            for length in 1..body.len() {
                let cut = reply(coding, body[..length].to_vec(), LIMIT);
                assert!(matches!(cut, Err(CodingError::Corrupt(_))), "{coding} cut to {length} bytes");
            }
            for garbage in [b"\0".as_slice(), b"x", b"garbage at the end"] {
                let longer = reply(coding, [body.as_slice(), garbage].concat(), LIMIT);
                assert!(matches!(longer, Err(CodingError::Corrupt(_))), "{coding} and {garbage:?}");
            }
        }
    }

    #[test]
    fn nothing_is_nothing_in_every_coding() {
        for (coding, _) in all() {
            assert_eq!(reply(coding, Vec::new(), LIMIT).as_deref(), Ok(b"".as_slice()), "{coding}");
        }
    }

    #[test]
    fn members_of_gzip_follow_each_other() {
        let twice = [gzip(b"ab"), gzip(b"cd")].concat();
        assert_eq!(reply("gzip", twice, LIMIT).as_deref(), Ok(b"abcd".as_slice()));
    }

    #[test]
    fn unknown_codings_and_long_lists_are_not_supported() {
        for coding in
            ["compress", "gzip;q=1", "gzip br", "gzip, gzip, gzip", "identity,identity,identity", "*"]
        {
            assert_eq!(reply(coding, PLAIN.to_vec(), LIMIT), Err(CodingError::Unsupported), "{coding}");
        }
    }

    #[test]
    fn a_zstd_window_over_the_cap_is_corrupt() {
        // Magic, a frame header descriptor without anything optional, a 16 MiB window, an empty
        // last block (RFC 8878 §3.1.1).
        let frame =
            |window_log: u8| vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, (window_log - 10) << 3, 0x01, 0x00, 0x00];
        assert_eq!(reply("zstd", frame(23), LIMIT).as_deref(), Ok(b"".as_slice()));
        assert_eq!(reply("zstd", frame(24), LIMIT), Err(CodingError::Corrupt("zstd")));
    }

    #[test]
    fn batches_are_refused_in_their_own_words() {
        let batch = |coding, body: &[u8]| decode_batch(coding, Bytes::copy_from_slice(body), 100);
        assert_eq!(batch("lzma", PLAIN), Err(BatchRefusal::UnsupportedContentEncoding));
        assert_eq!(batch("x-gzip", PLAIN), Err(BatchRefusal::BadContentEncoding { coding: "gzip" }));
        assert_eq!(batch("gzip", &gzip(&[0; 101])), Err(BatchRefusal::BodyTooLarge { limit: 100 }));
        assert_eq!(batch("", &[b' '; 101]), Err(BatchRefusal::BodyTooLarge { limit: 100 }));
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_decoder_panic_or_run_away(body in prop::collection::vec(any::<u8>(), 0..400)) {
            for coding in ["gzip", "deflate", "br", "zstd"] {
                if let Ok(decoded) = reply(coding, body.clone(), 4096) {
                    prop_assert!(decoded.len() <= 4096);
                }
            }
        }

        #[test]
        fn damaged_bodies_never_pass_the_limit(at in 0_usize..60, byte in any::<u8>()) {
            for (coding, mut body) in all() {
                let length = body.len();
                body[at % length] = byte;
                if let Ok(decoded) = reply(coding, body, 64) {
                    prop_assert!(decoded.len() <= 64);
                }
            }
        }
    }
}
