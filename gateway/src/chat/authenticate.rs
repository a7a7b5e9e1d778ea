//! Whose key is it? A look into a table in memory: no I/O. The secret goes no further than this
//! step, and no message repeats it.

use super::receive::Received;
use crate::auth;
use crate::state::Gateway;
use schemas::error::Problem;
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
    let key = auth::open(gateway, secret.as_deref())?;
    Ok(Authenticated { received, key })
}
