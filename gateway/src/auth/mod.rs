//! Keys: making them and knowing them. A secret is shown once and kept as SHA-256 only.

/// The table of keys, fed by NATS.
pub mod keys;

/// Making and deleting keys.
pub mod issue;

use sha2::{Digest, Sha256};

/// SHA-256 as 64 hexadecimal digits.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
