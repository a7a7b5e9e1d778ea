//! Sessions: a cookie that only gateways of one ledger with the same admin key can make or read.
//! No session is stored, so any gateway serves any visitor, and a customer's session ends in the
//! moment when the key is deleted. One that was signed out of is remembered by a digest until it
//! would have ended. A session must never be told to a script or written to a log.

use crate::auth::sha256_hex;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use infra::bus::seal::Sealer;
use infra::secret::Secret;
use rand::RngExt;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What the sealing key is derived with: sessions are good for nothing else.
const PURPOSE: &str = "fly-llm portal sessions 2";

/// Longest cookie that is looked at, in bytes.
const SEALED_BYTES_MAX: usize = 2_048;

/// A customer stays signed in for so many seconds.
pub(crate) const CUSTOMER_SECONDS_MAX: u64 = 7 * 24 * 3_600;

/// An operator stays signed in for so many seconds.
pub(crate) const OPERATOR_SECONDS_MAX: u64 = 12 * 3_600;

/// Who is signed in.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Who {
    /// With this secret of an API key.
    Customer(String),
    /// With the admin key.
    Operator,
}

/// A session as it is sealed.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Session {
    /// Who.
    pub(crate) who: Who,
    /// When it ends: milliseconds since 1970.
    pub(crate) ends_ms: u64,
    /// What makes its forms its own.
    seed: String,
}

impl Session {
    /// One that begins now.
    pub(crate) fn begin(who: Who, now_ms: u64) -> Self {
        let seconds = match who {
            Who::Customer(_) => CUSTOMER_SECONDS_MAX,
            Who::Operator => OPERATOR_SECONDS_MAX,
        };
        let seed = BASE64.encode(rand::rng().random::<[u8; 16]>());
        Self { who, ends_ms: now_ms + seconds * 1_000, seed }
    }

    /// What each of its forms carries, which another site can't know.
    pub(crate) fn token(&self) -> String {
        sha256_hex(format!("form {}", self.seed).as_bytes())
    }

    /// What it is remembered by once somebody has signed out of it.
    pub(crate) fn digest(&self) -> String {
        sha256_hex(format!("session {}", self.seed).as_bytes())
    }

    /// Whether a form is one of its own. Digests are compared, so that the time taken tells
    /// nothing.
    pub(crate) fn owns(&self, token: &str) -> bool {
        Sha256::digest(self.token()) == Sha256::digest(token)
    }
}

/// What makes and reads cookies.
pub(crate) struct Seal(Option<LessSafeKey>);

impl Seal {
    /// Gateways of one ledger with the same admin key read each other's sessions. The ledger's
    /// secret is random: who has a cookie can't find the admin key by guessing at home.
    pub(crate) fn new(sealer: &Sealer, admin_key: Option<&Secret>) -> Self {
        let mut digest = Sha256::new();
        digest.update(sealer.derived(PURPOSE));
        if let Some(admin_key) = admin_key {
            digest.update(admin_key.reveal());
        }
        // A digest has the key's length, so there always is one.
        Self(UnboundKey::new(&CHACHA20_POLY1305, &digest.finalize()).ok().map(LessSafeKey::new))
    }

    /// A session as a cookie's value.
    pub(crate) fn close(&self, session: &Session) -> Option<String> {
        let nonce: [u8; NONCE_LEN] = rand::rng().random();
        let mut text = serde_json::to_vec(session).ok()?;
        let unique = Nonce::assume_unique_for_key(nonce);
        let key = self.0.as_ref()?;
        key.seal_in_place_append_tag(unique, Aad::empty(), &mut text).ok()?;
        Some(BASE64.encode([nonce.as_slice(), &text].concat()))
    }

    /// The session of a cookie, if it is ours and not over.
    pub(crate) fn open(&self, sealed: &str, now_ms: u64) -> Option<Session> {
        if sealed.len() > SEALED_BYTES_MAX {
            return None;
        }
        let bytes = BASE64.decode(sealed).ok()?;
        let (nonce, text) = bytes.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = text.to_vec();
        let opened = self.0.as_ref()?.open_in_place(nonce, Aad::empty(), &mut text).ok()?;
        let session: Session = serde_json::from_slice(opened).ok()?;
        (session.ends_ms > now_ms).then_some(session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_opens_until_it_ends_and_nowhere_else() {
        let (ledger, admin) = (Sealer::fresh(), Secret::new("admin"));
        let seal = Seal::new(&ledger, Some(&admin));
        let session = Session::begin(Who::Customer("sk-fly-secret".into()), 1_000);
        let sealed = seal.close(&session).unwrap();
        assert!(!sealed.contains("secret"));
        let opened = Seal::new(&ledger, Some(&admin)).open(&sealed, 1_000).unwrap();
        assert!(matches!(&opened.who, Who::Customer(secret) if secret == "sk-fly-secret"));
        assert!(opened.owns(&session.token()) && !opened.owns("") && !opened.owns("x"));
        assert!(seal.open(&sealed, session.ends_ms).is_none(), "it is over");
        let other = Seal::new(&ledger, Some(&Secret::new("other")));
        assert!(other.open(&sealed, 1_000).is_none(), "another admin key");
        assert!(Seal::new(&ledger, None).open(&sealed, 1_000).is_none());
        let elsewhere = Seal::new(&Sealer::fresh(), Some(&admin));
        assert!(elsewhere.open(&sealed, 1_000).is_none(), "another ledger");
        for at in 0..sealed.len() {
            let mut forged = sealed.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).unwrap();
            if BASE64.decode(&forged).ok() != BASE64.decode(&sealed).ok() {
                assert!(seal.open(&forged, 1_000).is_none(), "{at}");
            }
        }
    }

    #[test]
    fn two_sessions_of_one_key_have_different_forms() {
        let one = Session::begin(Who::Operator, 0);
        assert!(!one.owns(&Session::begin(Who::Operator, 0).token()));
    }
}
