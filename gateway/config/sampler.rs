//! Which traces are recorded.

/// Which traces are recorded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampler {
    /// The share of traces, from 0 to 1.
    pub share: f64,
    /// Whether the caller's decision counts.
    pub parent: Parent,
}

/// Whether the caller's decision counts: the one in the `traceparent` of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parent {
    /// It counts, and only traces that begin here are chosen from.
    Heeded,
    /// It does not count.
    Ignored,
}

impl Sampler {
    /// Whether a trace with this id that begins here is recorded. Other services that take the same share of traces by their
    /// ids come to the same result.
    #[must_use]
    pub fn takes(&self, trace: u128) -> bool {
        // The upper half of the lower 64 bits, which are the ones that are random in every trace id.
        let chosen_by = u32::try_from((trace >> 32) & u128::from(u32::MAX)).unwrap_or(u32::MAX);
        f64::from(chosen_by) < self.share * 2_f64.powi(32)
    }

    /// Whether a trace with this id is recorded that a parent has decided about.
    #[must_use]
    pub fn goes_on(&self, trace: u128, parent_is_sampled: impl FnOnce() -> bool) -> bool {
        match self.parent {
            Parent::Heeded => parent_is_sampled(),
            Parent::Ignored => self.takes(trace),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sampler_takes_its_share_of_ids() {
        for (share, taken) in
            [(0.0, [false, false, false]), (0.5, [true, false, false]), (1.0, [true, true, true])]
        {
            let sampler = Sampler { share, parent: Parent::Heeded };
            let ids = [0x7fff_ffff_ffff_ffff_u128, 0x8000_0000_0000_0000, 0xffff_ffff_ffff_ffff];
            assert_eq!(ids.map(|id| sampler.takes(id)), taken, "{share}");
        }
    }

    #[test]
    fn the_parent_decides_where_it_is_heeded() {
        let of = |parent| Sampler { share: 0.0, parent };
        for says in [true, false] {
            assert_eq!(of(Parent::Heeded).goes_on(1, || says), says);
            assert!(!of(Parent::Ignored).goes_on(1, || says));
        }
    }
}
