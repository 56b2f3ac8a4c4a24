//! The header of the PROXY protocol, versions 1 and 2, with which a proxy says where the client of a connection is.
//!
//! In: the first bytes of a connection, before TLS. Out: the client's address. Exactly the header's bytes are read, because
//! those behind it are the client's own. What else a header may have is passed over.

use std::io;
use std::net::SocketAddr;

use proxy_header::{ParseConfig, Protocol, ProxyHeader};
use tokio::io::{AsyncRead, AsyncReadExt};

/// The first bytes of version 2. Version 1 has at least as many.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Behind the signature: version, family, and the length of the rest.
const HEAD: usize = SIGNATURE.len() + 4;
/// Bytes of the rest. The protocol asks for room for 536 bytes in all; some proxies add certificates.
const MAX_REST: usize = 4096;
/// The first bytes of version 1.
const WORD: &[u8] = b"PROXY ";
/// Bytes of version 1, the end of the line included.
const MAX_LINE: usize = 107;

/// Why there is no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoHeader {
    /// The connection was closed before its first byte.
    Closed,
    /// What came is not a header.
    Malformed,
}

/// Reads a header. `None`: the connection is the proxy's own, or the proxy does not say where its client is.
pub(super) async fn read(connection: &mut (impl AsyncRead + Unpin)) -> Result<Option<SocketAddr>, NoHeader> {
    let mut header = Vec::with_capacity(MAX_LINE);
    if let Err(error) = fill(connection, &mut header, SIGNATURE.len()).await {
        let is_end = error.kind() == io::ErrorKind::UnexpectedEof && header.is_empty();
        return Err(if is_end { NoHeader::Closed } else { NoHeader::Malformed });
    }
    let rest = if header == SIGNATURE {
        read_rest(connection, &mut header).await
    } else if header.starts_with(WORD) {
        read_line(connection, &mut header).await
    } else {
        Err(io::ErrorKind::InvalidData.into())
    };
    rest.map_err(|_| NoHeader::Malformed)?;
    client_in(&header)
}

fn client_in(header: &[u8]) -> Result<Option<SocketAddr>, NoHeader> {
    let config = ParseConfig { include_tlvs: false, allow_v1: true, allow_v2: true };
    let (parsed, length) = ProxyHeader::parse(header, config).map_err(|_| NoHeader::Malformed)?;
    let Some(addresses) = parsed.proxied_address() else { return Ok(None) };
    if length != header.len() || addresses.protocol != Protocol::Stream {
        return Err(NoHeader::Malformed);
    }
    Ok(Some(addresses.source))
}

/// Reads on until there are so many bytes.
async fn fill(
    connection: &mut (impl AsyncRead + Unpin),
    header: &mut Vec<u8>,
    length: usize,
) -> io::Result<()> {
    while header.len() < length {
        let left = (length - header.len()) as u64;
        if (&mut *connection).take(left).read_buf(header).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

async fn read_rest(connection: &mut (impl AsyncRead + Unpin), header: &mut Vec<u8>) -> io::Result<()> {
    fill(connection, header, HEAD).await?;
    let length = header.last_chunk().map_or(0, |length| usize::from(u16::from_be_bytes(*length)));
    if length > MAX_REST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    fill(connection, header, HEAD + length).await
}

async fn read_line(connection: &mut (impl AsyncRead + Unpin), header: &mut Vec<u8>) -> io::Result<()> {
    while header.last() != Some(&b'\n') {
        if header.len() == MAX_LINE {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let length = header.len() + 1;
        fill(connection, header, length).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOUR: &[u8] = b"\xc0\x00\x02\x07\xc0\x00\x02\x01\x04\xd2\x00\x50";

    fn version_2(command: &[u8], rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], command, &length, rest].concat()
    }

    /// The client, and the bytes behind the header.
    async fn read_all(mut bytes: &[u8]) -> (Result<Option<String>, NoHeader>, &[u8]) {
        let read = read(&mut bytes).await;
        (read.map(|client| client.map(|client| client.to_string())), bytes)
    }

    #[tokio::test]
    async fn a_header_says_where_the_client_is_and_nothing_behind_it_is_read() {
        let six = [&[0; 15][..], &[1], &[0; 15], &[2], b"\x00\x07\x00\x50"].concat();
        let with_more = [FOUR, b"\x04\x00\x02ab"].concat();
        for (header, client) in [
            (b"PROXY TCP4 192.0.2.7 192.0.2.1 1234 80\r\n".to_vec(), Some("192.0.2.7:1234")),
            (b"PROXY TCP6 ::1 ::2 7 80\r\n".to_vec(), Some("[::1]:7")),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN ::1 ::2 7 80\r\n".to_vec(), None),
            (version_2(b"\x21\x11", FOUR), Some("192.0.2.7:1234")),
            (version_2(b"\x21\x11", &with_more), Some("192.0.2.7:1234")),
            (version_2(b"\x21\x21", &six), Some("[::1]:7")),
            (version_2(b"\x20\x00", b""), None),
            (version_2(b"\x20\x11", FOUR), None),
            (version_2(b"\x21\x31", &[0; 216]), None),
        ] {
            let text = String::from_utf8_lossy(&header).into_owned();
            let bytes = [&header, &b"GET /"[..]].concat();
            let (read, behind) = read_all(&bytes).await;
            assert_eq!((read, behind), (Ok(client.map(str::to_owned)), &b"GET /"[..]), "{text}");
        }
    }

    #[tokio::test]
    async fn everything_else_is_not_a_header() {
        let long = [&b"PROXY UNKNOWN "[..], &[b'a'; 100], b"\r\n"].concat();
        for bytes in [
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.7 192.0.2.1 1234\r\n".to_vec(),
            b"PROXY TCP4 ::1 ::2 1 2\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.7 192.0.2.1 1234 80\n".to_vec(),
            b"PROXY TCP4 192.0.2.7 192.0.2.1 1234 80\r\r\n".to_vec(),
            b"PROXY TCP4 192.0".to_vec(),
            b"PROXY".to_vec(),
            b"PROXYTCP4 192.0.2.7 192.0.2.1 1234 80\r\n".to_vec(),
            long,
            version_2(b"\x11\x11", FOUR),
            version_2(b"\x21\x12", FOUR),
            version_2(b"\x21\x11", &FOUR[1..]),
            version_2(b"\x21\x11", &[0; MAX_REST + 1]),
            version_2(b"\x21\x11", FOUR)[..20].to_vec(),
            SIGNATURE.to_vec(),
        ] {
            let read = read_all(&bytes).await.0;
            assert_eq!(read, Err(NoHeader::Malformed), "{}", String::from_utf8_lossy(&bytes));
        }
        assert_eq!(read_all(b"").await.0, Err(NoHeader::Closed));
    }
}
