//! The most of something shared that one client may hold (`client_share`).

use std::num::NonZeroUsize;

/// A share in hundredths, from 1 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientShare(u8);

impl ClientShare {
    /// No limit of a client's own.
    pub const ALL: Self = Self(100);

    /// A share of so many hundredths; `None` for none, and for more than all.
    #[must_use]
    pub fn from_percent(percent: u64) -> Option<Self> {
        u8::try_from(percent).ok().filter(|percent| (1..=100).contains(percent)).map(Self)
    }

    /// Hundredths.
    #[must_use]
    pub fn percent(self) -> u64 {
        self.0.into()
    }

    /// What one client may hold of `all`: at least one. Unless the share is all, one is left for others where there is
    /// more than one.
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
    fn there_is_no_share_of_nothing_and_none_above_all() {
        assert_eq!(ClientShare::from_percent(0), None);
        assert_eq!(ClientShare::from_percent(101), None);
        assert_eq!(ClientShare::from_percent(100), Some(ClientShare::ALL));
    }
}
