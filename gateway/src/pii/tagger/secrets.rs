//! The secrets by which sentences are known again. Two texts have the same sum by chance alone, of
//! 1 in 2^64, whoever chose them: he doesn't know the secrets, and is never told a sum. It must
//! never keep a text.

use std::array;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// Texts of more bytes have no sum.
const BYTES_MAX: usize = 8 * 1024;
/// Bytes that one product takes, and secrets.
const PAIR_BYTES: usize = 16;
/// Numbers beside a text.
const NUMBERS: usize = 3;
/// What is summed besides the text's pairs: its numbers and its length.
const PAIRS_BESIDE: usize = 2;
const PAIRS: usize = PAIRS_BESIDE + BYTES_MAX / PAIR_BYTES;

/// Numbers that only this process knows.
pub(super) struct Secrets {
    pairs: Box<[[u64; 2]; PAIRS]>,
    realms: [RandomState; 2],
}

impl Default for Secrets {
    fn default() -> Self {
        let source = RandomState::new();
        let pair = |index: usize| [0, 1].map(|half| source.hash_one([index, half]));
        Self { pairs: Box::new(array::from_fn(pair)), realms: Default::default() }
    }
}

impl Secrets {
    /// What is added to every sum of a realm.
    pub(super) fn realm(&self, realm: &str) -> u128 {
        let [low, high] = self.realms.each_ref().map(|state| u128::from(state.hash_one(realm)));
        high << u64::BITS | low
    }

    /// The sum of a text and numbers beside it: each pair of words, after its secrets were added,
    /// is one product (the NH of Black and others' UMAC, 1999).
    pub(super) fn sum(&self, text: &[u8], [a, b, c]: [u64; NUMBERS]) -> Option<u128> {
        if text.len() > BYTES_MAX {
            return None;
        }
        let (beside, secrets) = self.pairs.split_first_chunk::<PAIRS_BESIDE>()?;
        let (pairs, rest) = text.as_chunks();
        let mut last = [0; PAIR_BYTES];
        last.iter_mut().zip(rest).for_each(|(slot, byte)| *slot = *byte);
        let mut sum =
            product([a, b], beside[0]).wrapping_add(product([c, text.len() as u64], beside[1]));
        for (pair, secret) in pairs.iter().chain((!rest.is_empty()).then_some(&last)).zip(secrets) {
            let (low, high) = pair.split_first_chunk().unwrap_or((&[0; 8], &[]));
            let high = high.first_chunk().unwrap_or(&[0; 8]);
            let words = [u64::from_le_bytes(*low), u64::from_le_bytes(*high)];
            sum = sum.wrapping_add(product(words, *secret));
        }
        Some(sum)
    }
}

#[inline(always)]
fn product([a, b]: [u64; 2], [c, d]: [u64; 2]) -> u128 {
    u128::from(a.wrapping_add(c)) * u128::from(b.wrapping_add(d))
}

#[cfg(test)]
mod tests {
    use super::{BYTES_MAX, Secrets};
    use std::collections::HashSet;

    #[test]
    fn whatever_differs_has_another_sum() {
        let secrets = Secrets::default();
        let text: Vec<u8> = (0..BYTES_MAX).map(|at| (at % 251) as u8).collect();
        let mut sums = HashSet::new();
        for length in (0..200).chain([BYTES_MAX - 1, BYTES_MAX]) {
            let mut text = text[..length].to_vec();
            assert!(sums.insert(secrets.sum(&text, [0; 3])), "{length}");
            assert!(sums.insert(secrets.sum(&text, [0, 0, 1])), "{length}");
            if let Some(byte) = text.last_mut() {
                *byte ^= 0x80;
                assert!(sums.insert(secrets.sum(&text, [0; 3])), "{length}");
            }
            assert_eq!(secrets.sum(&text, [1, 2, 3]), secrets.sum(&text, [1, 2, 3]));
        }
        assert_eq!(secrets.sum(&[0; BYTES_MAX + 1], [0; 3]), None);
        assert_ne!(secrets.sum(&text, [0; 3]), Secrets::default().sum(&text, [0; 3]));
        assert_ne!(secrets.realm("a"), secrets.realm("b"));
    }
}
