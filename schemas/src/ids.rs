//! Names as types, so that an account can never be passed where a key is meant. They are safe as
//! NATS subject tokens and Redis key parts by construction; they never carry secrets.

use crate::subjects;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest identifier that is accepted from outside, in bytes.
const IDENTIFIER_BYTES_MAX: usize = 64;

/// An identifier that is empty, too long, or has a character that a subject token can't hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not an identifier: use 1 to 64 of the characters a-z, A-Z, 0-9, '-' and '_'")]
pub struct InvalidIdentifier(pub String);

fn check(text: &str) -> Result<(), InvalidIdentifier> {
    let fits = !text.is_empty() && text.len() <= IDENTIFIER_BYTES_MAX;
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if fits && plain { Ok(()) } else { Err(InvalidIdentifier(text.chars().take(80).collect())) }
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $prefix:literal $(, $follows:ident: $kind:ty = $from:path)?) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name {
            name: String,
            $($follows: $kind,)?
        }

        impl $name {
            fn of(name: String) -> Self {
                Self { $($follows: $from(&name),)? name }
            }

            /// A new name that nobody else has: a prefix and a time-ordered UUID (version 7).
            pub fn fresh() -> Self {
                let mut digits = [0; uuid::fmt::Simple::LENGTH];
                let digits = uuid::Uuid::now_v7().simple().encode_lower(&mut digits);
                Self::of([$prefix, digits].concat())
            }

            /// Takes a name from outside.
            ///
            /// # Errors
            /// When it is empty, longer than 64 bytes or not made of `[A-Za-z0-9_-]`.
            pub fn parse(text: impl Into<String>) -> Result<Self, InvalidIdentifier> {
                let text = text.into();
                check(&text).map(|()| Self::of(text))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.name
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.name)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidIdentifier;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::parse(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.name
            }
        }
    };
}

identifier!(
    /// One chat request; also the unique part of its ledger event.
    RequestId,
    "req_"
);
identifier!(
    /// Who pays.
    AccountId,
    "acct_",
    partition: u16 = subjects::partition_of
);

impl AccountId {
    /// The part of the ledger that it lives in.
    pub(crate) fn partition(&self) -> u16 {
        self.partition
    }
}

identifier!(
    /// One API key (its public name, never the secret).
    KeyId,
    "key_"
);
identifier!(
    /// One gateway process.
    GatewayId,
    "gw_"
);
identifier!(
    /// One worker process.
    WorkerId,
    "wk_"
);

impl AccountId {
    /// Stands for a whole part of the ledger where a fact is of no account. Real ones are longer.
    pub fn of_part() -> Self {
        Self::of("_".to_owned())
    }
}

impl RequestId {
    /// When the request was made, in milliseconds since 1970 (UTC); `None` for a foreign form.
    pub fn created_ms(&self) -> Option<u64> {
        let uuid = uuid::Uuid::try_parse(self.name.strip_prefix("req_")?).ok()?;
        let (seconds, nanoseconds) = uuid.get_timestamp()?.to_unix();
        Some(seconds * 1000 + u64::from(nanoseconds) / 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_names_differ_and_tell_their_time() {
        let first = RequestId::fresh();
        assert_ne!(first, RequestId::fresh());
        assert!(first.created_ms().unwrap() > 1_700_000_000_000);
    }

    #[test]
    fn what_would_break_a_subject_is_refused() {
        for bad in ["", "a.b", "a b", "a*", ">", "é", &"x".repeat(65)] {
            assert!(AccountId::parse(bad).is_err(), "{bad}");
            assert!(serde_json::from_value::<AccountId>(bad.into()).is_err(), "{bad}");
        }
    }
}
