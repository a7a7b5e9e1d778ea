//! Every NATS subject, stream and bucket name, spelled once. A subject built anywhere else fails
//! the tidy test.

use crate::ids::{AccountId, GatewayId, RequestId, WorkerId};
use std::fmt::Write as _;

/// The work queue of jobs: memory, so that a prompt never touches a disk.
pub const CHAT_STREAM: &str = "CHAT";
/// All jobs.
pub const CHAT_SUBJECTS: &str = "chat.>";
/// The record of money.
pub const LEDGER_STREAM: &str = "LEDGER";
/// The beginning of all ledger events.
pub const LEDGER_PREFIX: &str = "led.";
/// All ledger events.
pub const LEDGER_SUBJECTS: &str = "led.>";
/// All ends of requests.
pub const LEDGER_ENDS: &str = "led.*.*.use.*";
/// Key-value bucket of API keys.
pub const KEYS_BUCKET: &str = "KEYS";
/// Key-value bucket of accounts.
pub const ACCOUNTS_BUCKET: &str = "ACCOUNTS";
/// All cancellations.
pub const CANCEL_SUBJECTS: &str = "cancel.*";
/// The beginning of all adverts.
pub const HEALTH_PREFIX: &str = "health.";
/// All adverts.
pub const HEALTH_SUBJECTS: &str = "health.*.*";
/// Asks every worker to advertise itself at once.
pub const HEALTH_POLL: &str = "health.poll";
/// What NATS says when a client's connection is gone (imported by nats.conf from its system
/// account).
pub const DEPARTURES: &str = "fleet.DISCONNECT";
/// What JetStream says when a job was delivered as often as allowed.
pub const CHAT_POISON_ADVISORIES: &str = "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.CHAT.>";

/// Into how many independent parts the ledger is split. Changing it needs a migration, because an
/// account must stay in its part.
pub const LEDGER_PARTITIONS: u16 = 4;

/// A free text as one subject token: everything outside `[A-Za-z0-9_-]` as `%XX`.
pub fn token(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if text.bytes().all(is_plain) {
        return text.to_owned();
    }
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if is_plain(byte) {
            encoded.push(byte as char);
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Where a job for one model of one pool is queued.
pub fn chat(pool: &str, model: &str) -> String {
    format!("chat.{}.{}", token(pool), token(model))
}

/// All jobs of a pool: the filter of its consumer.
pub fn chat_pool(pool: &str) -> String {
    format!("chat.{}.>", token(pool))
}

/// The durable consumer of a pool.
pub fn chat_consumer(pool: &str) -> String {
    token(pool)
}

/// Where JetStream is asked for the next message of a consumer.
pub fn pull(stream: &str, consumer: &str) -> String {
    format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}")
}

/// Where JetStream is asked how a stream stands.
pub fn stream_info(stream: &str) -> String {
    format!("$JS.API.STREAM.INFO.{stream}")
}

/// Where a worker asks a gateway whether a job may start.
pub fn claim(gateway: &GatewayId) -> String {
    format!("gw.{gateway}.claim")
}

/// The beginning of all subjects past the queue.
pub const DIRECT_PREFIX: &str = "direct.";

/// Where a gateway hands a job to one worker, past the queue.
pub fn direct(pool: &str, worker: &WorkerId) -> String {
    format!("{DIRECT_PREFIX}{}.{worker}", token(pool))
}

/// Where a gateway hears that a job handed past the queue found no room, or nobody.
pub fn direct_refused(gateway: &GatewayId, request: &RequestId, attempt: u32) -> String {
    format!("gw.{gateway}.refused.{request}.{attempt}")
}

/// All that a gateway hears of such jobs.
pub fn direct_refused_all(gateway: &GatewayId) -> String {
    format!("gw.{gateway}.refused.*.*")
}

/// The request and the attempt that such a subject names.
pub fn direct_refused_names(subject: &str) -> Option<(&str, u32)> {
    let (rest, attempt) = subject.rsplit_once('.')?;
    let (_, request) = rest.rsplit_once('.')?;
    Some((request, attempt.parse().ok()?))
}

/// Where the frames of one request go.
pub fn frames(gateway: &GatewayId, request: &RequestId) -> String {
    format!("tok.{gateway}.{request}")
}

/// All frames for a gateway.
pub fn frames_all(gateway: &GatewayId) -> String {
    format!("tok.{gateway}.*")
}

/// The request that a frame subject names.
pub fn frames_request(subject: &str) -> Option<&str> {
    subject.rsplit_once('.').map(|(_, request)| request)
}

/// What subjects begin with on which answers are heard: a client's own, and the server's for who
/// asks from another account.
const ANSWERS: [&str; 2] = ["_INBOX.", "_R_."];

/// Whether an answer may be written there.
pub fn is_inbox(subject: &str) -> bool {
    ANSWERS.iter().any(|beginning| subject.starts_with(beginning))
}

/// Whether a pool's worker hears answers there, as `nats.conf` names their users, without another
/// account between: then it may write more than it should.
pub fn is_inbox_of_workers(subject: &str) -> bool {
    subject.starts_with("_INBOX.worker-")
}

/// The beginning of all subjects on which a user of NATS hears answers: nats.conf lets nobody else
/// listen there.
pub fn inbox(user: &str) -> String {
    format!("_INBOX.{}", token(user))
}

/// Tells whoever runs the request to stop.
pub fn cancel(request: &RequestId) -> String {
    format!("cancel.{request}")
}

/// Tells one worker to finish what it runs, take nothing new, and leave.
pub fn drain(worker: &WorkerId) -> String {
    format!("drain.{worker}")
}

/// Where a worker advertises itself.
pub fn health(pool: &str, worker: &WorkerId) -> String {
    format!("health.{}.{worker}", token(pool))
}

/// The part of the ledger that an account lives in.
pub fn partition(account: &AccountId) -> u16 {
    account.partition()
}

/// The part by an account's name (FNV-1a over it). The account remembers it, because a request asks
/// about twenty times.
pub(crate) fn partition_of(name: &str) -> u16 {
    let mut hash: u32 = 0x811c_9dc5;
    for byte in name.bytes() {
        hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    (hash % u32::from(LEDGER_PARTITIONS)) as u16
}

/// All events of a part of the ledger.
pub fn ledger_partition(partition: u16) -> String {
    format!("led.{partition}.>")
}

/// All events of an account.
pub fn ledger_account(account: &AccountId) -> String {
    format!("led.{}.{account}.>", partition(account))
}

/// All snapshots of an account.
pub fn ledger_account_snapshots(account: &AccountId) -> String {
    format!("led.{}.{account}.snapshot.*", partition(account))
}

/// All of one kind of an account's events.
pub fn ledger_account_kind(account: &AccountId, kind: &str) -> String {
    format!("led.{}.{account}.{kind}.*", partition(account))
}

/// All snapshots of a part of the ledger.
pub fn ledger_snapshots(partition: u16) -> String {
    format!("led.{partition}.*.snapshot.*")
}

/// Some of what an account's requests of a month came to.
pub fn ledger_counted(account: &AccountId, month: &str, number: u32) -> String {
    let (part, month) = (AccountId::of_part(), token(month));
    format!("led.{}.{part}.counted.{month}-{number}-{account}", partition(account))
}

/// What the requests of all accounts of a part came to.
pub fn ledger_counted_all(partition: u16) -> String {
    format!("led.{partition}.{}.counted.*", AccountId::of_part())
}

/// Where a part of the ledger is cut to close a month.
pub fn ledger_cut(partition: u16, month: &str) -> String {
    format!("led.{partition}.{}.cut.{}", AccountId::of_part(), token(month))
}

/// Says that all snapshots of a cut are there.
pub fn ledger_closing(partition: u16, month: &str) -> String {
    format!("led.{partition}.{}.closing.{}", AccountId::of_part(), token(month))
}

/// All closings of a part.
pub fn ledger_closings(partition: u16) -> String {
    format!("led.{partition}.{}.closing.*", AccountId::of_part())
}

/// Where the record of a coupon's code lies in the bucket of accounts: two words, so that no
/// account is called so.
pub fn coupon_record(code: &str) -> String {
    format!("coupon.{}", token(code))
}

/// All of them.
pub const COUPON_RECORDS: &str = "coupon.*";

/// Where the record of an account's auto-recharge lies in the bucket of accounts.
pub fn recharge_record(account: &AccountId) -> String {
    format!("recharge.{account}")
}

/// All of them.
pub const RECHARGE_RECORDS: &str = "recharge.*";

/// The subject of an event. `kind` and `unique` together name the fact: a second event of the same
/// name is refused by the stream.
pub fn ledger(account: &AccountId, kind: &str, unique: &str) -> String {
    format!("led.{}.{account}.{kind}.{}", partition(account), token(unique))
}

/// Where the end of a request stands when something that counts for nothing took its own subject,
/// where workers may write. Here they may not. Nothing for subjects of other facts.
pub fn amended(subject: &str) -> Option<String> {
    let (fact, unique) = subject.rsplit_once('.')?;
    let account = fact.strip_suffix(".use")?;
    Some(format!("{account}.amend.{unique}"))
}

/// Where the secret that seals ends of requests lies in the bucket of accounts.
pub const SEAL_RECORD: &str = "seal.ledger";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_text_stays_one_token() {
        assert_eq!(chat("cloud", "gpt-4.1 mini"), "chat.cloud.gpt-4%2E1%20mini");
        assert_eq!(token("楽天"), "%E6%A5%BD%E5%A4%A9");
    }

    #[test]
    fn a_refusal_names_its_request_and_attempt() {
        let (gateway, request) = (GatewayId::parse("gw_1").unwrap(), RequestId::fresh());
        let subject = direct_refused(&gateway, &request, 3);
        assert_eq!(direct_refused_names(&subject), Some((request.as_str(), 3)));
        assert_eq!(direct_refused_names("gw.g.refused"), None);
    }

    #[test]
    fn an_end_has_a_second_subject_and_no_other_fact_has() {
        let account = AccountId::parse("use").unwrap();
        let (end, gift) = (ledger(&account, "use", "req_1"), ledger(&account, "grant", "use"));
        assert_eq!(amended(&end).unwrap(), ledger(&account, "amend", "req_1"));
        assert_eq!(amended(&gift), None);
    }

    #[test]
    fn an_account_stays_in_its_part() {
        let account = AccountId::parse("acct_demo").unwrap();
        assert_eq!(partition(&account), partition(&account));
        let subject = ledger(&account, "grant", "first");
        assert!(subject.starts_with(&format!("led.{}.acct_demo.", partition(&account))));
    }
}
