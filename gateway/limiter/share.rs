//! The part of a shared resource that one client may hold (`client_share`).

use std::num::NonZeroUsize;

/// A share in percent, from 1 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientShare(u8);

impl ClientShare {
    /// Everything: no limit for a single client.
    pub const ALL: Self = Self(100);

    /// A share of this many percent; `None` for 0 and for more than 100.
    #[must_use]
    pub fn from_percent(percent: u64) -> Option<Self> {
        u8::try_from(percent).ok().filter(|percent| (1..=100).contains(percent)).map(Self)
    }

    /// The share in percent.
    #[must_use]
    pub fn percent(self) -> u64 {
        self.0.into()
    }

    /// The part of `all` that one client may hold, at least one. Unless the share is 100 percent, at least one is left for
    /// others if `all` is more than one.
    #[must_use]
    pub fn of(self, all: NonZeroUsize) -> NonZeroUsize {
        if self == Self::ALL {
            return all;
        }
        // In two steps, because `all` times a hundred may be too large.
        let (hundreds, rest) = (all.get() / 100, all.get() % 100);
        let share = usize::from(self.0);
        let part = hundreds * share + rest * share / 100;
        NonZeroUsize::new(part).unwrap_or(NonZeroUsize::MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_rounded_down_and_at_least_one() {
        for (percent, all, expected) in [
            (75, 64, 48),
            (75, 4, 3),
            (75, 3, 2),
            (75, 2, 1),
            (75, 1, 1),
            (1, 64, 1),
            (1, 65536, 655),
            (99, 2, 1),
            (99, 64, 63),
            (100, 64, 64),
            (100, 1, 1),
            (50, usize::MAX, usize::MAX / 2),
        ] {
            let share = ClientShare::from_percent(percent).unwrap();
            let of = share.of(NonZeroUsize::new(all).unwrap()).get();
            assert!(of.abs_diff(expected) <= usize::from(all == usize::MAX), "{percent} % of {all}: {of}");
        }
    }

    #[test]
    fn a_share_is_above_zero_and_at_most_all() {
        assert_eq!(ClientShare::from_percent(0), None);
        assert_eq!(ClientShare::from_percent(101), None);
        assert_eq!(ClientShare::from_percent(100), Some(ClientShare::ALL));
    }
}
