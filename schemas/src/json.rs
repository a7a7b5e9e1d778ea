//! JSON into a buffer of about a message's size: one that starts small is copied as it grows.

use serde::Serialize;

/// Most messages are not longer, and no allocator has trouble with it.
const MESSAGE_BYTES: usize = 1_024;

/// Something as JSON.
///
/// # Errors
/// When it can't be written as JSON.
pub fn to_vec(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut json = Vec::with_capacity(MESSAGE_BYTES);
    serde_json::to_writer(&mut json, value)?;
    Ok(json)
}
