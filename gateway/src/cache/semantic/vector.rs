//! A question as 128 small numbers: its words and pairs of words, hashed. Facts weigh more than
//! fillers, so a filler tells more in a short question than in a long one: "what is time" and
//! "what is the time" are two questions. It is computed, not learned, and no text can be read
//! back from it.

use super::Token;

/// Numbers of a vector.
const WIDTH: usize = 128;

/// What a filler weighs; a fact weighs 1.
const FILLER: f32 = 0.5;

/// What two neighbours weigh together.
const PAIR: f32 = 0.5;

/// The largest number: a signed byte.
const TOP: f32 = 127.0;

/// A quantised vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vector(Vec<i8>);

impl Vector {
    pub(super) fn of(tokens: &[Token]) -> Self {
        let mut sums = [0.0_f32; WIDTH];
        let mut before: Option<&str> = None;
        for token in tokens {
            match token {
                Token::Frame(_) => {}
                Token::Filler(word) => add(&mut sums, &["filler", word], FILLER),
                Token::Fact(word) => {
                    add(&mut sums, &["fact", word], 1.0);
                    if let Some(before) = before {
                        add(&mut sums, &["pair", before, word], PAIR);
                    }
                    before = Some(word);
                }
            }
        }
        let most = sums.iter().fold(f32::MIN_POSITIVE, |most, it| most.max(it.abs()));
        Self(sums.iter().map(|it| (it / most * TOP).round() as i8).collect())
    }

    /// As it is kept.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().map(|number| number.cast_unsigned()).collect()
    }

    /// Reads what was kept.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let numbers: Vec<i8> = bytes.iter().map(|byte| byte.cast_signed()).collect();
        (numbers.len() == WIDTH).then_some(Self(numbers))
    }

    /// The cosine: 1 is the same.
    pub fn similarity(&self, other: &Self) -> f64 {
        let product = |one: &Self, other: &Self| -> f64 {
            let pairs = one.0.iter().zip(&other.0);
            pairs.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
        };
        let lengths = product(self, self).sqrt() * product(other, other).sqrt();
        if lengths > 0.0 { (product(self, other) / lengths).min(1.0) } else { 0.0 }
    }
}

/// Adds a feature in one of the places; half of them count backwards, so that those that share a
/// place don't add up.
fn add(sums: &mut [f32; WIDTH], parts: &[&str], weight: f32) {
    let hash = hash(parts);
    let sign = if hash >> 63 == 0 { weight } else { -weight };
    let place = usize::try_from(hash % WIDTH as u64).unwrap_or_default();
    if let Some(sum) = sums.get_mut(place) {
        *sum += sign;
    }
}

/// FNV-1a with its bits spread at the end.
fn hash(parts: &[&str]) -> u64 {
    let mut value = 0xCBF2_9CE4_8422_2325_u64;
    for part in parts {
        for byte in part.bytes().chain([0]) {
            value = (value ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3);
        }
    }
    value ^= value >> 32;
    value.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}
