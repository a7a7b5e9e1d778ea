//! Who may end a request with a charge. NATS judges subjects and not contents, and every worker may
//! write ends of requests. So a gateway seals what it holds for a request, the seal goes with the
//! job, and the ledger's readers take no end without it. The secret must never reach a worker or a
//! log: it lies where workers' users may not read.

use super::{Bus, BusError};
use crate::clock;
use async_nats::HeaderMap;
use async_nats::jetstream::kv::CreateErrorKind;
use ring::hmac;
use schemas::ids::{AccountId, KeyId, RequestId};
use schemas::ledger::{EventV1, Fact, Use, Void};
use schemas::money::MicroUsd;
use schemas::subjects;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

/// The header of a job and of an end in the ledger that has the seal: `<hold>.<tag>`.
pub const SEAL: &str = "Fly-Seal";

/// Bytes of the secret.
const SECRET_BYTES: usize = 32;

/// A seal's length at most: an amount of 20 digits, a point, two digits for each byte of a tag.
const SEAL_BYTES_MAX: usize = 20 + 1 + 2 * 32;

/// What older programs write counts for so long after the secret was made, when it is made beside
/// a ledger that has ends already: their workers are to be replaced meanwhile.
const UPGRADE_TIME_MS: u64 = 3_600_000;

/// Begins what is sealed, so that the secret's other uses ([`Sealer::derived`]) don't mix.
const PURPOSE: &str = "fly-llm end of a request 1";

/// The secret as it lies in NATS.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SealRecord {
    V1(SealRecordV1),
}

#[derive(Serialize, Deserialize)]
struct SealRecordV1 {
    /// In hexadecimal digits.
    secret: String,
    /// Ends that NATS took before this moment count without a seal: milliseconds since 1970.
    from_ms: u64,
}

/// The connection that it was read over, and what was read.
pub(super) type KnownSealer = Arc<Mutex<Option<(u64, Arc<Sealer>)>>>;

/// What seals and checks.
pub struct Sealer {
    key: hmac::Key,
    from_ms: u64,
}

impl Sealer {
    /// One of a ledger that nobody else has.
    pub fn fresh() -> Self {
        let secret: [u8; SECRET_BYTES] = rand::random();
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, &secret), from_ms: 0 }
    }

    fn of(record: &SealRecordV1) -> Option<Self> {
        let secret = bytes_of(&record.secret).filter(|secret| secret.len() >= SECRET_BYTES)?;
        Some(Self { key: hmac::Key::new(hmac::HMAC_SHA256, &secret), from_ms: record.from_ms })
    }

    /// A secret for another purpose than ends of requests: the same in every gateway, and no way
    /// back to this one.
    pub fn derived(&self, purpose: &str) -> [u8; SECRET_BYTES] {
        let mut secret = [0; SECRET_BYTES];
        let tag = hmac::sign(&self.key, purpose.as_bytes());
        secret.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
        secret
    }

    /// The seal of a request: whose it is, and the most that it may cost.
    pub fn seal(
        &self,
        account: &AccountId,
        key: &KeyId,
        request: &RequestId,
        hold: MicroUsd,
    ) -> String {
        let tag = hmac::sign(&self.key, sealed(account, key, request, hold.0).as_bytes());
        let mut seal = String::with_capacity(SEAL_BYTES_MAX);
        let _ = write!(seal, "{}.", hold.0);
        write_digits(&mut seal, tag.as_ref());
        seal
    }

    /// The seal of an end that we write ourselves; nothing for other facts, which need none.
    pub(super) fn seal_of(&self, event: &EventV1) -> Option<String> {
        let (key, request, hold) = end_of(event)?;
        Some(self.seal(&event.account, key, request, hold))
    }

    /// Whether an event counts that NATS took at a moment, with these headers.
    pub fn admits(&self, event: &EventV1, headers: &HeaderMap, taken_ms: u64) -> bool {
        let Some((key, request, _)) = end_of(event) else { return true };
        let Some(seal) = headers.get(SEAL) else { return taken_ms < self.from_ms };
        let Some((hold, tag)) = seal.as_str().split_once('.') else { return false };
        let (Ok(hold), Some(tag)) = (hold.parse::<i64>(), bytes_of(tag)) else { return false };
        let claimed = match &event.fact {
            Fact::Use(Use { hold, .. }) => hold.0,
            _ => hold,
        };
        let text = sealed(&event.account, key, request, hold);
        claimed == hold
            && event.amount.negated().0 <= hold
            && hmac::verify(&self.key, text.as_bytes(), &tag).is_ok()
    }
}

/// What an end is of, and the hold that it speaks of.
fn end_of(event: &EventV1) -> Option<(&KeyId, &RequestId, MicroUsd)> {
    match &event.fact {
        Fact::Use(Use { key, request, hold, .. }) => Some((key, request, *hold)),
        Fact::Void(Void { key, request, .. }) => Some((key, request, MicroUsd::ZERO)),
        _ => None,
    }
}

/// No name has a line break: it is one token of a subject.
fn sealed(account: &AccountId, key: &KeyId, request: &RequestId, hold: i64) -> String {
    format!("{PURPOSE}\n{account}\n{key}\n{request}\n{hold}")
}

/// Two digits for each byte.
fn write_digits(text: &mut String, bytes: &[u8]) {
    let digit = |four: u8| char::from_digit(u32::from(four), 16).unwrap_or('0');
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
    }
}

fn bytes_of(digits: &str) -> Option<Vec<u8>> {
    let pair = |at: usize| digits.get(at..at + 2).and_then(|it| u8::from_str_radix(it, 16).ok());
    (0..digits.len()).step_by(2).map(pair).collect()
}

impl Bus {
    /// What seals ends of requests; made by whoever needs it first. It is read anew when the
    /// connection was: that may be to another NATS, with a ledger of its own.
    ///
    /// # Errors
    /// When NATS can't be asked, or lets our user not read it, as with a worker's.
    pub async fn sealer(&self) -> Result<Arc<Sealer>, BusError> {
        let connection = *self.connections.borrow();
        let known = self.sealer.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, sealer)) = known.filter(|(read_over, _)| *read_over == connection) {
            return Ok(sealer);
        }
        // Boxed: it happens once, and without the box every job's future would carry its state.
        let sealer = Arc::new(Box::pin(self.read_or_make_sealer()).await?);
        let known = (connection, Arc::clone(&sealer));
        self.sealer.lock().unwrap_or_else(PoisonError::into_inner).replace(known);
        Ok(sealer)
    }

    async fn read_or_make_sealer(&self) -> Result<Sealer, BusError> {
        let failed = |error: &dyn std::fmt::Display| BusError::request("the ledger's seal", error);
        let bucket = self.bucket(subjects::ACCOUNTS_BUCKET).await?;
        let read = async || bucket.get(subjects::SEAL_RECORD).await.map_err(|error| failed(&error));
        if let Some(body) = read().await? {
            return decoded(&body);
        }
        let has_ends = self.last_recorded(subjects::LEDGER_ENDS).await? > 0;
        let from_ms = if has_ends { clock::unix_ms() + UPGRADE_TIME_MS } else { 0 };
        let mut secret = String::new();
        write_digits(&mut secret, &rand::random::<[u8; SECRET_BYTES]>());
        let record = SealRecord::V1(SealRecordV1 { secret, from_ms });
        let body = serde_json::to_vec(&record).map_err(|error| failed(&error))?;
        match bucket.create(subjects::SEAL_RECORD, body.clone().into()).await {
            Ok(_) => decoded(&body),
            Err(error) if error.kind() == CreateErrorKind::AlreadyExists => {
                let body = read().await?;
                decoded(&body.ok_or_else(|| failed(&"it is there and is not"))?)
            }
            Err(error) => Err(failed(&error)),
        }
    }
}

/// The error's own text may quote the secret.
fn decoded(body: &[u8]) -> Result<Sealer, BusError> {
    let record = serde_json::from_slice::<SealRecord>(body).ok();
    let sealer = record.and_then(|SealRecord::V1(record)| Sealer::of(&record));
    sealer.ok_or_else(|| BusError::Unreadable {
        subject: subjects::SEAL_RECORD.to_owned(),
        cause: "it is no seal".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::ledger::{VoidReason, Writer};

    fn sealer(digit: &str, from_ms: u64) -> Sealer {
        let secret = digit.repeat(2 * SECRET_BYTES);
        Sealer::of(&SealRecordV1 { secret, from_ms }).unwrap()
    }

    fn void(request: &RequestId) -> EventV1 {
        EventV1 {
            account: AccountId::parse("acct_a").unwrap(),
            at_ms: 1,
            amount: MicroUsd::ZERO,
            fact: Fact::Void(Void {
                request: request.clone(),
                key: KeyId::parse("key_1").unwrap(),
                reason: VoidReason::Failed,
                writer: Writer::Worker,
            }),
        }
    }

    fn under(seal: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(SEAL, seal);
        headers
    }

    #[test]
    fn an_end_counts_under_its_own_seal_and_no_other() {
        let (mine, others) = (sealer("a", 0), sealer("b", 0));
        let (request, key) = (RequestId::fresh(), KeyId::parse("key_1").unwrap());
        let end = void(&request);
        let seal = mine.seal(&end.account, &key, &request, MicroUsd(7));
        assert!(mine.admits(&end, &under(&seal), 5), "a void costs less than any hold");
        assert!(mine.admits(&end, &under(&mine.seal_of(&end).unwrap()), 5));
        assert!(!others.admits(&end, &under(&seal), 5));
        assert!(!mine.admits(&void(&RequestId::fresh()), &under(&seal), 5));
        assert!(!mine.admits(&end, &HeaderMap::new(), 5));
        for forged in ["", "7", "7.", "7.0g", "x.00", &seal.replace("7.", "70.")] {
            assert!(!mine.admits(&end, &under(forged), 5), "{forged}");
        }
        let dear = EventV1 { amount: MicroUsd(-8), ..end.clone() };
        assert!(!mine.admits(&dear, &under(&seal), 5), "more than the hold");
        assert!(mine.admits(&EventV1 { amount: MicroUsd(-7), ..end }, &under(&seal), 5));
    }

    #[test]
    fn what_was_written_before_there_were_seals_counts_and_gifts_need_none() {
        let upgraded = sealer("a", 1_000);
        let end = void(&RequestId::fresh());
        assert!(upgraded.admits(&end, &HeaderMap::new(), 999));
        assert!(!upgraded.admits(&end, &HeaderMap::new(), 1_000));
        assert!(!upgraded.admits(&end, &under("0.00"), 999), "a wrong one is a forgery");
        let fact = Fact::Grant { unique: "g".into(), note: String::new() };
        let gift = EventV1 { fact, ..end };
        assert!(upgraded.admits(&gift, &HeaderMap::new(), 5_000));
        assert!(upgraded.seal_of(&gift).is_none());
    }

    #[test]
    fn a_record_that_is_no_secret_is_refused() {
        assert!(decoded(b"{}").is_err());
        for secret in ["", "ab", "zz"] {
            let body = format!(r#"{{"v1":{{"secret":"{secret}","from_ms":0}}}}"#);
            assert!(decoded(body.as_bytes()).is_err(), "{secret}");
        }
    }
}
