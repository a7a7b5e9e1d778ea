//! Keys: making them and knowing them. A secret is shown once and kept as SHA-256 only.

/// How both tables are fed.
pub(crate) mod follow;

/// The table of keys, fed by NATS.
pub mod keys;

/// The table of accounts, fed by NATS.
pub(crate) mod accounts;

/// Making and deleting keys.
pub mod issue;

use crate::state::Gateway;
use infra::clock;
use keys::Rejection;
use schemas::error::{ErrorCode, Problem};
use schemas::records::KeyRecordV1;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// SHA-256 as 64 hexadecimal digits.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// Two digits for each byte.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |four: u8| four + if four < 10 { b'0' } else { b'a' - 10 };
    let digits = bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
    String::from_utf8(digits.collect()).unwrap_or_default()
}

/// The live key of a secret, for every surface that needs one, with what its account allows.
pub(crate) fn open(gateway: &Gateway, secret: Option<&str>) -> Result<Arc<KeyRecordV1>, Problem> {
    let Some(secret) = secret else {
        return Err(invalid(
            "APIキーがありません。Authorization: Bearer sk-fly-… を付けてください。",
            "No API key was sent. Add the header Authorization: Bearer sk-fly-….",
        ));
    };
    let now_ms = clock::unix_ms();
    let opened = gateway.keys.open(secret, now_ms).map_err(|rejection| match rejection {
        Rejection::Unknown => invalid(
            "APIキーが正しくありません。コピーし直すか、新しいキーを作ってください。",
            "The API key is not known. Copy it again, or create a new one.",
        ),
        Rejection::Revoked => invalid(
            "このAPIキーは削除されました。新しいキーを作ってください。",
            "This API key was deleted. Create a new one.",
        ),
        Rejection::Expired => invalid(
            "このAPIキーは期限切れです。新しいキーを作ってください。",
            "This API key has expired. Create a new one.",
        ),
    });
    let key = opened?;
    let Some(account) = gateway.accounts.get(&key.account) else { return Ok(key) };
    if account.limits.expires_ms.is_some_and(|expires| expires <= now_ms) {
        return Err(invalid(
            "このアカウントは期限切れです。運営者にお問い合わせください。",
            "This account has expired. Ask whoever runs the service.",
        ));
    }
    Ok(within(key, account.limits.models.as_deref()))
}

/// A key that may use no more models than its account.
fn within(key: Arc<KeyRecordV1>, allowed: Option<&[String]>) -> Arc<KeyRecordV1> {
    let Some(allowed) = allowed else { return key };
    let models = match &key.limits.models {
        Some(own) => own.iter().filter(|name| allowed.contains(name)).cloned().collect(),
        None => allowed.to_vec(),
    };
    let mut narrowed = (*key).clone();
    narrowed.limits.models = Some(models);
    Arc::new(narrowed)
}

fn invalid(japanese: &str, english: &str) -> Problem {
    Problem::new(ErrorCode::InvalidApiKey, japanese, english)
}
