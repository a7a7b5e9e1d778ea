//! A filter in front of a hash table that is larger than the processor's near memory: most of what
//! is looked up is absent, and two bits tell so. It must never say "absent" of what is there.

use super::table::{FILTER_WORDS, filter_has, filter_word};

/// Two bits of one word for each hash; the upper bits of the hash choose the word.
pub(in crate::pii) struct Filter {
    words: &'static [[u8; 8]; FILTER_WORDS],
}

impl Filter {
    /// A filter as it was made.
    pub(in crate::pii) fn of(made: &'static [u8; FILTER_WORDS * 8]) -> Self {
        // A filter of another size would not compile, but for this type.
        Self { words: made.as_chunks().0.first_chunk().unwrap_or(&[[u8::MAX; 8]; FILTER_WORDS]) }
    }

    /// Whether the hash may be there.
    #[inline(always)]
    pub(in crate::pii) fn may_hold(&self, hash: u32) -> bool {
        filter_has(u64::from_le_bytes(self.words[filter_word(hash)]), hash)
    }
}
