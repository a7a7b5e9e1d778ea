//! Keys: making them and knowing them. A secret is shown once and kept as SHA-256 only.

/// The table of keys, fed by NATS.
pub mod keys;

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
    use std::fmt::Write;
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The live key of a secret, for every surface that needs one.
pub(crate) fn open(gateway: &Gateway, secret: Option<&str>) -> Result<Arc<KeyRecordV1>, Problem> {
    let Some(secret) = secret else {
        return Err(invalid(
            "APIキーがありません。Authorization: Bearer sk-fly-… を付けてください。",
            "No API key was sent. Add the header Authorization: Bearer sk-fly-….",
        ));
    };
    gateway.keys.open(secret, clock::unix_ms()).map_err(|rejection| match rejection {
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
    })
}

fn invalid(japanese: &str, english: &str) -> Problem {
    Problem::new(ErrorCode::InvalidApiKey, japanese, english)
}
