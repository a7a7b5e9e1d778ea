//! Words that wait in Redis for their client alone: sealed with a key made of the client's own
//! secret, which nobody here keeps. Redis, its disk and its operator see no word of them, and
//! whoever comes with another secret opens nothing.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use std::fmt::Write;

/// What a seal is for: another use of the same secret has another key.
pub(crate) type Purpose = &'static [u8];

/// Seals a content, bound to a place: it can't be read at another one.
pub(crate) fn sealed(
    purpose: Purpose,
    secret: &str,
    place: &str,
    mut content: Vec<u8>,
) -> Option<Vec<u8>> {
    let mut nonce = [0; NONCE_LEN];
    SystemRandom::new().fill(&mut nonce).ok()?;
    let once = Nonce::assume_unique_for_key(nonce);
    let bound_to = Aad::from(place.as_bytes());
    key(purpose, secret)?.seal_in_place_append_tag(once, bound_to, &mut content).ok()?;
    Some([nonce.as_slice(), &content].concat())
}

/// Opens what was sealed for the same purpose, by the same secret, for the same place.
pub(crate) fn opened(
    purpose: Purpose,
    secret: &str,
    place: &str,
    sealed: &mut [u8],
) -> Option<Vec<u8>> {
    let (nonce, content) = sealed.split_at_mut_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let bound_to = Aad::from(place.as_bytes());
    let plain = key(purpose, secret)?.open_in_place(nonce, bound_to, content).ok()?;
    Some(plain.to_vec())
}

/// A digest that nobody can try contents on without the secret; 64 hexadecimal digits.
pub(crate) fn digest(purpose: Purpose, secret: &str, parts: &[&[u8]]) -> String {
    let mut context =
        hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()));
    context.update(purpose);
    for part in parts {
        context.update(&part.len().to_be_bytes());
        context.update(part);
    }
    let tag = context.sign();
    tag.as_ref().iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The sealing key of a secret. Secrets are long and random, so they need no stretching.
fn key(purpose: Purpose, secret: &str) -> Option<LessSafeKey> {
    let derived = Salt::new(HKDF_SHA256, &[]).extract(secret.as_bytes());
    let info = [purpose];
    let derived = derived.expand(&info, &AES_256_GCM).ok()?;
    Some(LessSafeKey::new(UnboundKey::from(derived)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_secret_purpose_and_place_open() {
        let content = "答え".as_bytes().to_vec();
        let kept = sealed(b"p", "secret", "here", content.clone()).unwrap();
        assert!(!kept.windows(3).any(|bytes| content.starts_with(bytes)));
        let open = |purpose, secret, place| opened(purpose, secret, place, &mut kept.clone());
        assert_eq!(open(b"p", "secret", "here"), Some(content));
        assert_eq!(open(b"q", "secret", "here"), None);
        assert_eq!(open(b"p", "secret2", "here"), None);
        assert_eq!(open(b"p", "secret", "there"), None);
        assert_eq!(opened(b"p", "secret", "here", &mut [0; 5]), None);
    }

    #[test]
    fn parts_are_kept_apart() {
        let of = |parts: &[&[u8]]| digest(b"p", "secret", parts);
        assert_eq!(of(&[b"ab", b"c"]), of(&[b"ab", b"c"]));
        assert_ne!(of(&[b"ab", b"c"]), of(&[b"a", b"bc"]));
        assert_ne!(of(&[b"a"]), digest(b"p", "secret2", &[b"a"]));
    }
}
