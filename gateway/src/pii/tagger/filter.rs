//! A filter in front of a hash table that is larger than the processor's near memory: most of what
//! is looked up is absent, and two bits tell so. It must never say "absent" of what is there.

/// The size of every filter: a quarter of a mebibyte, which stays near the processor.
const BITS_LOG: u32 = 21;

/// Words of the filter.
const WORDS: usize = 1 << (BITS_LOG - 6);

/// Two bits of one word for each hash; the upper bits of the hash choose the word.
pub(in crate::pii) struct Filter {
    words: Box<[u64; WORDS]>,
}

impl Filter {
    /// Nothing is there.
    pub(in crate::pii) fn new() -> Self {
        Self { words: Box::new([0; WORDS]) }
    }

    /// Remembers a hash.
    pub(in crate::pii) fn insert(&mut self, hash: u32) {
        self.words[word(hash)] |= bits(hash);
    }

    /// Whether the hash may be there.
    #[inline(always)]
    pub(in crate::pii) fn may_hold(&self, hash: u32) -> bool {
        !self.words[word(hash)] & bits(hash) == 0
    }
}

/// The word that tells of a hash.
#[inline(always)]
fn word(hash: u32) -> usize {
    hash as usize >> (u32::BITS - BITS_LOG + 6)
}

/// The bits in it.
#[inline(always)]
fn bits(hash: u32) -> u64 {
    1 << (hash & 63) | 1 << (hash >> 6 & 63)
}

#[cfg(test)]
mod tests {
    use super::Filter;

    #[test]
    fn what_is_there_is_never_called_absent() {
        let mut filter = Filter::new();
        let hashes = || (0..10_000_u32).map(|number| number.wrapping_mul(0x9E37_79B9));
        hashes().for_each(|hash| filter.insert(hash));
        assert!(hashes().all(|hash| filter.may_hold(hash)));
        let absent = (10_000..20_000_u32).map(|number| number.wrapping_mul(0x9E37_79B9));
        assert!(absent.filter(|hash| filter.may_hold(*hash)).count() < 1_000);
    }
}
