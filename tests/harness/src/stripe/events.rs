//! Webhooks and their signatures (docs.stripe.com/webhooks#verify-manually): HMAC-SHA256 over
//! `timestamp.body`, in the header `t=…,v1=…`.

use super::{WEBHOOK_SECRET, name, now};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::atomic::{AtomicUsize, Ordering};

static NUMBER: AtomicUsize = AtomicUsize::new(1);

/// The block of SHA-256, in bytes.
const BLOCK: usize = 64;

/// Older than any receiver may accept.
const STALE_SECONDS: u64 = 3_600;

/// How an event is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// As Stripe does.
    Honest,
    /// With a signature of another secret.
    Forged,
    /// With an honest signature of an hour ago.
    Stale,
    /// With another body than was signed.
    Changed,
}

/// An event.
#[derive(Debug, Clone)]
pub struct StripeEvent(Value);

impl StripeEvent {
    pub(super) fn new(kind: &str, object: Value) -> Self {
        Self(json!({
            "id": name("evt", NUMBER.fetch_add(1, Ordering::Relaxed)),
            "object": "event",
            "api_version": "2026-09-30.endive",
            "created": now(),
            "data": {"object": object},
            "livemode": false,
            "pending_webhooks": 1,
            "request": {"id": null, "idempotency_key": null},
            "type": kind,
        }))
    }

    /// When it happened, and itself, as the list of events tells it.
    pub(super) fn listed(&self) -> (u64, Value) {
        (self.0["created"].as_u64().unwrap(), self.0.clone())
    }

    /// The same without a field that a strict reader asks for.
    #[must_use]
    pub fn without_mode(mut self) -> Self {
        self.0.as_object_mut().unwrap().remove("livemode");
        self
    }

    /// Its body and signature.
    pub fn signed(&self, how: Delivery) -> (String, String) {
        let body = self.0.to_string();
        let (secret, time) = match how {
            Delivery::Forged => ("whsec_of_somebody_else", now()),
            Delivery::Stale => (WEBHOOK_SECRET, now() - STALE_SECONDS),
            Delivery::Honest | Delivery::Changed => (WEBHOOK_SECRET, now()),
        };
        let signature = hmac(secret.as_bytes(), format!("{time}.{body}").as_bytes());
        let body = if how == Delivery::Changed { format!("{body} ") } else { body };
        (body, format!("t={time},v1={signature}"))
    }
}

/// HMAC-SHA256 (RFC 2104), in hexadecimal.
fn hmac(key: &[u8], message: &[u8]) -> String {
    let mut block = [0_u8; BLOCK];
    block[..key.len()].copy_from_slice(key);
    let padded = |pad: u8| block.map(|byte| byte ^ pad);
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(message).finalize();
    let outer = Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize();
    outer.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::hmac;

    /// RFC 4231, test case 2.
    #[test]
    fn the_hmac_is_the_standards() {
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(hmac(b"Jefe", b"what do ya want for nothing?"), expected);
    }
}
