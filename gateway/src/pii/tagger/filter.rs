//! A filter in front of a hash table that is larger than the processor's near memory: most of what
//! is looked up is absent, and one bit tells so. It must never say "absent" of what is there.

/// The size of every filter: a quarter of a mebibyte, which stays near the processor.
const BITS_LOG: u32 = 21;

/// One bit for each hash, by its upper bits.
pub(in crate::pii) struct Filter {
    words: Vec<u64>,
}

impl Filter {
    /// Nothing is there.
    pub(in crate::pii) fn new() -> Self {
        Self { words: vec![0; 1 << (BITS_LOG - 6)] }
    }

    /// Remembers a hash.
    pub(in crate::pii) fn insert(&mut self, hash: u32) {
        let (word, bit) = place(hash);
        if let Some(word) = self.words.get_mut(word) {
            *word |= 1 << bit;
        }
    }

    /// Whether the hash may be there.
    pub(in crate::pii) fn may_hold(&self, hash: u32) -> bool {
        let (word, bit) = place(hash);
        self.words.get(word).is_some_and(|word| word >> bit & 1 == 1)
    }
}

/// The word and the bit in it.
fn place(hash: u32) -> (usize, u32) {
    let index = hash >> (u32::BITS - BITS_LOG);
    ((index >> 6) as usize, index & 63)
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
