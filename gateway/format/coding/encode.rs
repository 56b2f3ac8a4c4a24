//! The encoders of compressed replies: gzip (RFC 1952), br (RFC 7932) and zstd (RFC 8878).
//!
//! In: pieces of a body. Out: the same in a content coding. What was pushed can be flushed at any time, so that a client
//! sees all of it although more follows. Levels and windows are small: a reply is compressed while its client waits, and many
//! are at the same time.

use std::io::{self, Write};

use brotli::CompressorWriter;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use zstd::stream::raw::CParameter;
use zstd::stream::write::Encoder as ZstdEncoder;

use crate::words::words;

/// zlib's levels are 1 to 9. From 5 on it costs much more than it saves.
const GZIP_LEVEL: u32 = 4;
/// The first quality of brotli that beats gzip everywhere; from 5 on its tables are larger.
const BROTLI_QUALITY: u32 = 4;
const ZSTD_LEVEL: i32 = 3;
/// Windows of 128 KiB.
const WINDOW_LOG: u32 = 17;
/// brotli's own buffer between its state and our bytes.
const BROTLI_BUFFER: usize = 4 << 10;

words! {
    /// A content coding of a reply.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum ReplyCoding {
        Zstd = "zstd",
        Brotli = "br",
        Gzip = "gzip",
    }
}

impl ReplyCoding {
    /// What an encoder holds, measured.
    pub(crate) const fn memory(self) -> usize {
        match self {
            Self::Zstd => 1280 << 10,
            Self::Brotli => 2304 << 10,
            Self::Gzip => 320 << 10,
        }
    }
}

/// A complete body in gzip.
///
/// # Errors
/// The encoder has failed, which is a fault of ours.
pub(crate) fn gzip(body: &[u8]) -> io::Result<Bytes> {
    let mut encoder = Encoder::new(ReplyCoding::Gzip)?;
    encoder.push(body)?;
    encoder.finish()
}

/// An encoder of one body.
pub(crate) enum Encoder {
    Zstd(ZstdEncoder<'static, Vec<u8>>),
    Brotli(Box<CompressorWriter<Vec<u8>>>),
    Gzip(GzEncoder<Vec<u8>>),
}

impl Encoder {
    /// An encoder for this coding.
    ///
    /// # Errors
    /// zstd could not allocate its state.
    pub(crate) fn new(coding: ReplyCoding) -> io::Result<Self> {
        let output = Vec::new();
        Ok(match coding {
            ReplyCoding::Zstd => {
                let mut encoder = ZstdEncoder::new(output, ZSTD_LEVEL)?;
                encoder.set_parameter(CParameter::WindowLog(WINDOW_LOG))?;
                Self::Zstd(encoder)
            }
            ReplyCoding::Brotli => {
                let encoder = CompressorWriter::new(output, BROTLI_BUFFER, BROTLI_QUALITY, WINDOW_LOG);
                Self::Brotli(Box::new(encoder))
            }
            ReplyCoding::Gzip => Self::Gzip(GzEncoder::new(output, Compression::new(GZIP_LEVEL))),
        })
    }

    /// Adds a piece of the body.
    ///
    /// # Errors
    /// The encoder has failed, which is a fault of ours.
    pub(crate) fn push(&mut self, piece: &[u8]) -> io::Result<()> {
        self.writer().write_all(piece)
    }

    /// From here on, all that was pushed can be decoded from what is taken.
    ///
    /// # Errors
    /// The encoder has failed, which is a fault of ours.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.writer().flush()
    }

    /// Bytes that can be taken.
    pub(crate) fn ready(&self) -> usize {
        match self {
            Self::Zstd(encoder) => encoder.get_ref().len(),
            Self::Brotli(encoder) => encoder.get_ref().len(),
            Self::Gzip(encoder) => encoder.get_ref().len(),
        }
    }

    /// Takes the bytes that are ready.
    pub(crate) fn take(&mut self) -> Bytes {
        let output = match self {
            Self::Zstd(encoder) => encoder.get_mut(),
            Self::Brotli(encoder) => encoder.get_mut(),
            Self::Gzip(encoder) => encoder.get_mut(),
        };
        std::mem::take(output).into()
    }

    /// Ends the body, and returns the last bytes.
    ///
    /// # Errors
    /// The encoder has failed, which is a fault of ours.
    pub(crate) fn finish(self) -> io::Result<Bytes> {
        let output = match self {
            Self::Zstd(encoder) => encoder.finish()?,
            Self::Brotli(encoder) => encoder.into_inner(),
            Self::Gzip(encoder) => encoder.finish()?,
        };
        Ok(output.into())
    }

    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Self::Zstd(encoder) => encoder,
            Self::Brotli(encoder) => encoder.as_mut(),
            Self::Gzip(encoder) => encoder,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::coding::decode_reply;

    fn decoded(coding: ReplyCoding, coded: &[u8]) -> Bytes {
        decode_reply(coding.as_str(), Bytes::copy_from_slice(coded), 1 << 20).unwrap()
    }

    #[test]
    fn what_comes_out_is_what_went_in() {
        for coding in ReplyCoding::ALL {
            for length in [0, 1, 1000, 300_000] {
                let body: Vec<u8> =
                    (0..length).map(|at: usize| u8::try_from(at / 7 % 251).unwrap()).collect();
                let mut encoder = Encoder::new(coding).unwrap();
                let mut coded = Vec::new();
                for piece in body.chunks(10_000) {
                    encoder.push(piece).unwrap();
                    coded.extend_from_slice(&encoder.take());
                }
                coded.extend_from_slice(&encoder.finish().unwrap());
                assert_eq!(decoded(coding, &coded), body, "{coding:?} {length}");
                assert!(length < 1000 || coded.len() < length, "{coding:?}: {} of {length}", coded.len());
            }
        }
    }

    #[test]
    fn what_was_flushed_is_there() {
        for coding in ReplyCoding::ALL {
            let mut encoder = Encoder::new(coding).unwrap();
            let mut coded = Vec::new();
            for piece in ["data: one\n\n", "data: two\n\n"] {
                encoder.push(piece.as_bytes()).unwrap();
                encoder.flush().unwrap();
                assert!(encoder.ready() > 0, "{coding:?}");
                coded.extend_from_slice(&encoder.take());
                let so_far = starts(coding, &coded);
                assert!(so_far.ends_with(piece.as_bytes()), "{coding:?}: {so_far:?}");
            }
            coded.extend_from_slice(&encoder.finish().unwrap());
            assert_eq!(decoded(coding, &coded), "data: one\n\ndata: two\n\n");
        }
    }

    /// What a client reads of a body that has not ended.
    fn starts(coding: ReplyCoding, coded: &[u8]) -> Vec<u8> {
        use std::io::Read;
        let mut reader: Box<dyn Read> = match coding {
            ReplyCoding::Gzip => Box::new(flate2::read::GzDecoder::new(coded)),
            ReplyCoding::Brotli => Box::new(brotli::Decompressor::new(coded, 4096)),
            ReplyCoding::Zstd => Box::new(zstd::stream::read::Decoder::new(coded).unwrap()),
        };
        let (mut all, mut piece) = (Vec::new(), [0; 5]);
        while let Ok(length @ 1..) = reader.read(&mut piece) {
            all.extend_from_slice(&piece[..length]);
        }
        all
    }
}
