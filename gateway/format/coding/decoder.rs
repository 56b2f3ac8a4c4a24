//! One content coding, undone piece by piece: bytes in a coding are read from a source, what they stand for is read from here.
//!
//! A source that has nothing yet says [`io::ErrorKind::WouldBlock`], and so does the decoder; it goes on when there is more. What
//! comes out is counted while it is produced, windows are no larger than what may come out, and a body that ends too early or
//! too late is an error. An error of a coding is a [`CodingError`] inside the [`io::Error`], so that it passes through a second decoder.

use std::io::{self, BufRead, Chain, Cursor, Read};

use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use zstd::stream::read::Decoder as ZstdDecoder;

use super::brotli::Brotli;
use super::decoded::{Coding, CodingError};

/// 8 MiB: the window that RFC 9659 §3 allows for zstd as a content coding.
const ZSTD_WINDOW_LOG: u32 = 23;

/// Undoes one coding of what its source has.
pub(super) struct Decoder<S: BufRead> {
    undo: Undo<S>,
    coding: Coding,
    /// Bytes that may still come out.
    left: usize,
}

enum Undo<S: BufRead> {
    Identity(S),
    Gzip(Box<MultiGzDecoder<S>>),
    Deflate(Box<Deflate<S>>),
    Brotli(Box<Brotli<S>>),
    Zstd(ZstdDecoder<'static, S>),
}

impl<S: BufRead> Decoder<S> {
    /// A decoder that produces at most `limit` bytes.
    ///
    /// # Errors
    /// zstd could not allocate its state.
    pub(super) fn new(coding: Coding, source: S, limit: usize) -> Result<Self, CodingError> {
        let undo = match coding {
            Coding::Identity => Undo::Identity(source),
            Coding::Gzip => Undo::Gzip(Box::new(MultiGzDecoder::new(source))),
            Coding::Deflate => Undo::Deflate(Box::new(Deflate::Unknown(source, Vec::new()))),
            Coding::Brotli => Undo::Brotli(Box::new(Brotli::new(source, limit))),
            Coding::Zstd => {
                let corrupt = |_| CodingError::Corrupt(coding.as_str());
                let mut decoder = ZstdDecoder::with_buffer(source).map_err(corrupt)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(corrupt)?;
                Undo::Zstd(decoder)
            }
        };
        Ok(Self { undo, coding, left: limit })
    }

    /// Where its bytes come from; `None` if it has failed.
    pub(super) fn source(&mut self) -> Option<&mut S> {
        match &mut self.undo {
            Undo::Identity(source) => Some(source),
            Undo::Gzip(decoder) => Some(decoder.get_mut()),
            Undo::Deflate(decoder) => decoder.source(),
            Undo::Brotli(decoder) => Some(decoder.source()),
            Undo::Zstd(decoder) => Some(decoder.get_mut()),
        }
    }
}

impl<S: BufRead> Read for Decoder<S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.undo {
            Undo::Identity(source) => source.read(into),
            Undo::Gzip(decoder) => decoder.read(into),
            Undo::Deflate(decoder) => decoder.read(into),
            Undo::Brotli(decoder) => decoder.read(into),
            Undo::Zstd(decoder) => decoder.read(into),
        };
        let length = read.map_err(|error| {
            if error.kind() == io::ErrorKind::WouldBlock || coding_error(&error).is_some() {
                return error;
            }
            io::Error::other(CodingError::Corrupt(self.coding.as_str()))
        })?;
        self.left = self.left.checked_sub(length).ok_or_else(|| io::Error::other(CodingError::TooLarge))?;
        Ok(length)
    }
}

/// The error of a coding in this one, if that is what it is.
pub(super) fn coding_error(error: &io::Error) -> Option<CodingError> {
    error.get_ref()?.downcast_ref().copied()
}

/// `deflate` is the zlib format (RFC 9110 §8.4.1.2); some servers have always left out its wrapper, which shows in the first
/// two bytes (RFC 1950 §2.2).
enum Deflate<S: BufRead> {
    /// Its first bytes, as far as they have come.
    Unknown(S, Vec<u8>),
    Zlib(ZlibDecoder<Begun<S>>),
    Raw(DeflateDecoder<Begun<S>>),
    /// The first bytes are being looked at.
    Nothing,
}

/// A source from whose beginning something was read already.
type Begun<S> = Chain<Cursor<Vec<u8>>, S>;

impl<S: BufRead> Deflate<S> {
    fn source(&mut self) -> Option<&mut S> {
        match self {
            Self::Unknown(source, _) => Some(source),
            Self::Zlib(decoder) => Some(decoder.get_mut().get_mut().1),
            Self::Raw(decoder) => Some(decoder.get_mut().get_mut().1),
            Self::Nothing => None,
        }
    }

    /// Reads the first two bytes, and picks the decoder.
    fn begin(&mut self) -> io::Result<()> {
        let Self::Unknown(source, first) = self else { return Ok(()) };
        while first.len() < 2 {
            let Some(byte) = source.fill_buf()?.first().copied() else { break };
            source.consume(1);
            first.push(byte);
        }
        let is_wrapped = match first[..] {
            [method, flags] => method & 0x0f == 8 && u16::from_be_bytes([method, flags]).is_multiple_of(31),
            _ => false,
        };
        let Self::Unknown(source, first) = std::mem::replace(self, Self::Nothing) else { return Ok(()) };
        let begun = Cursor::new(first).chain(source);
        *self = if is_wrapped {
            Self::Zlib(ZlibDecoder::new(begun))
        } else {
            Self::Raw(DeflateDecoder::new(begun))
        };
        Ok(())
    }
}

impl<S: BufRead> Read for Deflate<S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.begin()?;
        let (length, source) = match self {
            Self::Zlib(decoder) => (decoder.read(into)?, decoder.get_mut()),
            Self::Raw(decoder) => (decoder.read(into)?, decoder.get_mut()),
            Self::Unknown(..) | Self::Nothing => return Err(io::ErrorKind::InvalidData.into()),
        };
        // Neither decoder checks by itself that nothing follows.
        if length == 0 && !source.fill_buf()?.is_empty() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(length)
    }
}
