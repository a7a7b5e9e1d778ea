//! Whose key is it? A look into a table in memory: no I/O. The secret goes no further than this
//! step, and no message repeats it.

use super::receive::Received;
use crate::auth::keys::Rejection;
use crate::state::Gateway;
use infra::clock;
use schemas::error::{ErrorCode, Problem};
use schemas::records::KeyRecordV1;
use std::sync::Arc;

/// A request whose key is known.
pub(super) struct Authenticated {
    pub(super) received: Received,
    pub(super) key: Arc<KeyRecordV1>,
}

/// Looks the key up.
pub(super) fn authenticate(
    gateway: &Gateway,
    mut received: Received,
) -> Result<Authenticated, Problem> {
    let secret = received.secret.take();
    let key = open(gateway, secret.as_deref())?;
    Ok(Authenticated { received, key })
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
