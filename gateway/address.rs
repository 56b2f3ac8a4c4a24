//! Where a target is: an address of TCP, or the path of a Unix socket.
//!
//! In: what the configuration or a look-up of a name says. Out: a value that connections, metrics and log lines share. A
//! path is checked once, by [`SocketPath::parse`]; whoever has one need not ask again whether the system takes it. Clones
//! cost a counter at most, because every attempt has one.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

/// The longest path of a socket: `sun_path` has 108 bytes, the NUL at its end included.
const MAX_PATH: usize = 107;

/// The address of a target.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TargetAddress {
    /// TCP.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(SocketPath),
}

impl TargetAddress {
    /// Whether one is an address of IPv4, and the other is not.
    #[must_use]
    pub const fn is_other_family(&self, other: &Self) -> bool {
        self.is_ipv4() != other.is_ipv4()
    }

    const fn is_ipv4(&self) -> bool {
        match self {
            Self::Tcp(address) => address.is_ipv4(),
            Self::Unix(_) => false,
        }
    }
}

impl From<SocketAddr> for TargetAddress {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl fmt::Display for TargetAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(formatter),
            Self::Unix(path) => path.fmt(formatter),
        }
    }
}

/// The path of a Unix socket: absolute, and such that the system takes it. Shown as `unix:/path`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SocketPath(Arc<str>);

/// Why a text is not the path of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketPathError {
    /// It is empty.
    Empty,
    /// It begins with `@`, which names a socket without a path on Linux.
    Abstract,
    /// It does not begin with `/`.
    Relative,
    /// It ends with `/`.
    Folder,
    /// It is longer than the system allows.
    TooLong,
    /// It contains a control character.
    Control,
}

impl SocketPath {
    /// Reads what follows `unix:`. Several slashes at the beginning count as one, so `unix:///run/x` is `unix:/run/x`. All
    /// characters but controls are allowed, and none is decoded.
    ///
    /// # Errors
    /// The text is not the path of a socket.
    pub fn parse(text: &str) -> Result<Self, SocketPathError> {
        let Some(behind) = text.strip_prefix('/') else {
            return Err(match text.chars().next() {
                None => SocketPathError::Empty,
                Some('@') => SocketPathError::Abstract,
                Some(_) => SocketPathError::Relative,
            });
        };
        if text.ends_with('/') {
            return Err(SocketPathError::Folder);
        }
        let path = format!("/{}", behind.trim_start_matches('/'));
        if path.len() > MAX_PATH {
            return Err(SocketPathError::TooLong);
        }
        if path.contains(char::is_control) {
            return Err(SocketPathError::Control);
        }
        Ok(Self(path.into()))
    }

    /// The path.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        Path::new(&*self.0)
    }
}

impl fmt::Display for SocketPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "unix:{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_checked_once() {
        let longest = format!("/{}", "x".repeat(MAX_PATH - 1));
        let too_long = format!("{longest}x");
        for (text, shown) in [
            ("/run/orders.sock", Ok("unix:/run/orders.sock")),
            ("///run/orders.sock", Ok("unix:/run/orders.sock")),
            ("/run/my orders %20 ü:@.sock", Ok("unix:/run/my orders %20 ü:@.sock")),
            (&longest, Ok(&*format!("unix:{longest}"))),
            (&too_long, Err(SocketPathError::TooLong)),
            ("", Err(SocketPathError::Empty)),
            ("@orders", Err(SocketPathError::Abstract)),
            ("run/orders.sock", Err(SocketPathError::Relative)),
            ("/", Err(SocketPathError::Folder)),
            ("/run/", Err(SocketPathError::Folder)),
            ("/run/a\0b", Err(SocketPathError::Control)),
            ("/run/a\nb", Err(SocketPathError::Control)),
        ] {
            let parsed = SocketPath::parse(text).map(|path| path.to_string());
            assert_eq!(parsed.as_deref().map_err(|error| *error), shown, "{text:?}");
        }
    }

    #[test]
    fn an_address_has_a_family() {
        let tcp = |text: &str| TargetAddress::Tcp(text.parse().unwrap());
        let unix = SocketPath::parse("/run/x").map(TargetAddress::Unix).unwrap();
        assert!(tcp("127.0.0.1:1").is_other_family(&tcp("[::1]:1")));
        assert!(!tcp("127.0.0.1:1").is_other_family(&tcp("127.0.0.2:1")));
        assert!(tcp("127.0.0.1:1").is_other_family(&unix));
        assert_eq!(tcp("[::1]:1").to_string(), "[::1]:1");
    }

    #[test]
    fn an_address_is_no_larger_than_that_of_tcp_and_a_word() {
        assert!(size_of::<TargetAddress>() <= size_of::<SocketAddr>() + size_of::<usize>());
    }
}
