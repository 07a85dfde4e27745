//! The mechanisms that delivery rests on, each of which tests can do without: what they then
//! see go wrong shows that the mechanism is needed, and that they would notice.

/// Something without which a stream may lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "switches", derive(clap::ValueEnum))]
pub enum Mechanism {
    /// A commit is handed on only if its revision is the next.
    GapCheck,
    /// … and if the tag before it is the one held.
    TagCheck,
    /// Views are compared with Redis, whether anything comes or not.
    Comparison,
    /// A view keeps the last commits for who comes back.
    Ring,
    /// What waits for one reader is bounded.
    BoundedQueue,
    /// A stream ends with a word.
    Goodbye,
}

/// Which mechanisms are at work: all of them, unless this was built for tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mechanisms {
    #[cfg(feature = "switches")]
    without: Option<Mechanism>,
}

impl Mechanisms {
    /// All but one.
    #[cfg(feature = "switches")]
    pub fn without(mechanism: Option<Mechanism>) -> Self {
        Self { without: mechanism }
    }

    /// Whether a mechanism is at work.
    #[cfg(feature = "switches")]
    pub fn has(self, mechanism: Mechanism) -> bool {
        self.without != Some(mechanism)
    }

    /// Whether a mechanism is at work: it is.
    #[cfg(not(feature = "switches"))]
    pub fn has(self, _: Mechanism) -> bool {
        true
    }
}
