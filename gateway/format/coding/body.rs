//! Undoes the content codings of one body while it comes.
//!
//! In: its pieces, as they come. Out: pieces of what they stand for, of bounded length: a few bytes can stand for
//! millions, so no piece is decoded before the last one was taken.

use std::io::{self, BufRead, BufReader, Read};

use bytes::{Buf as _, Bytes};

use super::decoded::{CodingError, Codings, PIECE};
use super::decoder::{Decoder, coding_error};

/// Undoes the codings of one body.
pub(crate) struct BodyDecoder {
    chain: Decoder<BufReader<Decoder<Feed>>>,
    has_begun: bool,
}

/// What is there of a decoded body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Pulled {
    Piece(Bytes),
    /// Nothing, until more of the body is pushed or it ends.
    Nothing,
    /// The body is complete.
    End,
}

impl BodyDecoder {
    /// A decoder that produces at most `limit` bytes, after either coding.
    ///
    /// # Errors
    /// zstd could not allocate its state.
    pub(crate) fn new(codings: Codings, limit: usize) -> Result<Self, CodingError> {
        let outer = Decoder::new(codings.outer, Feed::default(), limit)?;
        let chain = Decoder::new(codings.inner, BufReader::new(outer), limit)?;
        Ok(Self { chain, has_begun: false })
    }

    /// Adds a piece of the body. All that is there has to be pulled before.
    pub(crate) fn push(&mut self, piece: Bytes) {
        self.has_begun |= !piece.is_empty();
        if let Some(feed) = self.feed() {
            feed.piece = piece;
        }
    }

    /// The body has ended.
    pub(crate) fn end(&mut self) {
        if let Some(feed) = self.feed() {
            feed.has_ended = true;
        }
    }

    fn feed(&mut self) -> Option<&mut Feed> {
        self.chain.source()?.get_mut().source()
    }

    /// Decodes what comes next.
    ///
    /// # Errors
    /// Says why the body can't be decoded.
    pub(crate) fn pull(&mut self) -> Result<Pulled, CodingError> {
        // Many clients name a coding even for an empty body.
        if !self.has_begun {
            let has_ended = self.feed().is_none_or(|feed| feed.has_ended);
            return Ok(if has_ended { Pulled::End } else { Pulled::Nothing });
        }
        let mut piece = vec![0; PIECE];
        match self.chain.read(&mut piece) {
            Ok(0) => Ok(Pulled::End),
            Ok(length) => {
                piece.truncate(length);
                Ok(Pulled::Piece(piece.into()))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Pulled::Nothing),
            Err(error) => Err(coding_error(&error).unwrap_or(CodingError::Unsupported)),
        }
    }
}

/// The part of the body that has come and was not decoded.
#[derive(Default)]
struct Feed {
    piece: Bytes,
    has_ended: bool,
}

impl Read for Feed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(into)?;
        self.consume(length);
        Ok(length)
    }
}

impl BufRead for Feed {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.piece.is_empty() && !self.has_ended {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(&self.piece)
    }

    fn consume(&mut self, length: usize) {
        self.piece.advance(length.min(self.piece.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::coding::{Encoder, ReplyCoding};

    fn coded(coding: ReplyCoding, body: &[u8]) -> Bytes {
        let mut encoder = Encoder::new(coding).unwrap();
        encoder.push(body).unwrap();
        encoder.finish().unwrap()
    }

    /// What comes out of a body that comes in pieces of this length, and the length of the longest piece.
    fn decoded(
        codings: &str,
        body: &Bytes,
        length: usize,
        limit: usize,
    ) -> Result<(Vec<u8>, usize), CodingError> {
        let mut decoder = BodyDecoder::new(Codings::parse(codings).unwrap(), limit)?;
        let (mut all, mut longest) = (Vec::new(), 0);
        let mut pieces = body.chunks(length);
        loop {
            match decoder.pull()? {
                Pulled::Piece(piece) => {
                    longest = longest.max(piece.len());
                    all.extend_from_slice(&piece);
                }
                Pulled::Nothing => match pieces.next() {
                    Some(piece) => decoder.push(Bytes::copy_from_slice(piece)),
                    None => decoder.end(),
                },
                Pulled::End => return Ok((all, longest)),
            }
        }
    }

    #[test]
    fn a_body_may_come_in_pieces_of_any_length() {
        let plain: Vec<u8> = (0..100_000_u32).flat_map(|n| (n / 9).to_le_bytes()).collect();
        for coding in ReplyCoding::ALL {
            let once = coded(coding, &plain);
            let twice = coded(ReplyCoding::Gzip, &once);
            let both = format!("{}, gzip", coding.as_str());
            for length in [1, 7, 4096, 1 << 20] {
                for (codings, body) in [(coding.as_str(), &once), (both.as_str(), &twice)] {
                    let (all, longest) = decoded(codings, body, length, 1 << 20).unwrap();
                    assert!(all == plain, "{codings} in pieces of {length}");
                    assert!(longest <= PIECE, "{codings}: {longest}");
                }
            }
        }
    }

    #[test]
    fn a_bomb_comes_out_in_small_pieces_and_ends_at_the_limit() {
        let plain = vec![0; 4 << 20];
        for coding in ReplyCoding::ALL {
            let bomb = coded(coding, &plain);
            let (all, longest) = decoded(coding.as_str(), &bomb, bomb.len(), plain.len()).unwrap();
            assert!(all.len() == plain.len() && longest <= PIECE, "{coding:?}");
            let over = decoded(coding.as_str(), &bomb, bomb.len(), plain.len() - 1);
            assert_eq!(over, Err(CodingError::TooLarge), "{coding:?}");
        }
    }

    #[test]
    fn what_is_cut_off_or_goes_on_is_corrupt() {
        for coding in ReplyCoding::ALL {
            let body = coded(coding, b"{\"requests\":[]}");
            for length in 1..body.len() {
                let cut = decoded(coding.as_str(), &body.slice(..length), 3, 1 << 20);
                assert!(matches!(cut, Err(CodingError::Corrupt(_))), "{coding:?} cut to {length} bytes");
            }
            let longer = Bytes::from([&body, b"x".as_slice()].concat());
            let longer = decoded(coding.as_str(), &longer, 1, 1 << 20);
            assert!(matches!(longer, Err(CodingError::Corrupt(_))), "{coding:?}");
        }
        assert_eq!(decoded("gzip", &Bytes::new(), 1, 10), Ok((Vec::new(), 0)));
    }
}
