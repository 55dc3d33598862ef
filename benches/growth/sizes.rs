//! What a decision may depend on, and how far it grows.

/// How large everything is that a decision may depend on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// Bytes of the token's payload, about.
    pub(crate) payload: usize,
    pub(crate) keys: usize,
    pub(crate) issuers: usize,
    pub(crate) remembered: usize,
    /// How many threads ask at once.
    pub(crate) threads: usize,
}

/// What many deployments are like.
pub(crate) const USUAL: Sizes = Sizes {
    payload: 512,
    keys: 1,
    issuers: 1,
    remembered: 1,
    threads: 1,
};

/// One size that grows while the others stay.
pub(crate) struct Growth {
    pub(crate) unit: &'static str,
    pub(crate) steps: &'static [usize],
    pub(crate) sizes: fn(usize) -> Sizes,
}

pub(crate) const GROWTHS: [Growth; 5] = [
    Growth {
        unit: "bytes of payload",
        steps: &[512, 1024, 2048, 4096, 8192],
        sizes: |payload| Sizes { payload, ..USUAL },
    },
    Growth {
        unit: "keys of the issuer",
        steps: &[1, 10, 100, 500],
        sizes: |keys| Sizes { keys, ..USUAL },
    },
    Growth {
        unit: "issuers",
        steps: &[1, 10, 100],
        sizes: |issuers| Sizes { issuers, ..USUAL },
    },
    Growth {
        unit: "tokens remembered",
        steps: &[1, 10, 1_000, 10_000, 100_000, 1_000_000],
        sizes: |remembered| Sizes {
            remembered,
            ..USUAL
        },
    },
    Growth {
        unit: "threads at once",
        steps: &[1, 2],
        sizes: |threads| Sizes { threads, ..USUAL },
    },
];
