//! The names that processes share, as ARCHITECTURE tells them: subjects, streams, Redis keys and
//! limits. Subjects and keys are built by the code itself, never spelled here.

use crate::markdown::{Row, tables};
use crate::source;
use crate::tree::Tree;
use infra::store::answers::Tenant;
use infra::store::keys;
use schemas::ids::{AccountId, GatewayId, KeyId, RequestId, WorkerId};
use schemas::subjects;
use std::collections::{BTreeMap, BTreeSet};

const ARCHITECTURE: &str = "ARCHITECTURE.md";
const SUBJECTS_FILE: &str = "schemas/src/subjects.rs";
const STREAMS_FILE: &str = "infra/src/bus/streams.rs";
const KEYS_FILE: &str = "infra/src/store/keys.rs";

/// Items of the subjects' file that are no subject, stream or bucket.
const NO_SUBJECTS: [&str; 10] = [
    "token",
    "partition",
    "is_inbox",
    "is_inbox_of_workers",
    "frames_request",
    "direct_refused_names",
    "DIRECT_PREFIX",
    "HEALTH_PREFIX",
    "LEDGER_PREFIX",
    "LEDGER_PARTITIONS",
];
/// Items of the keys' file that are no whole key.
const NO_KEYS: [&str; 2] = ["prefix", "partition_prefix"];

type Spelled = BTreeMap<&'static str, String>;

/// A name by name table: who builds it, and how it looks.
fn subjects_spelled() -> Option<Spelled> {
    let gateway = GatewayId::parse("GATEWAY").ok()?;
    let request = RequestId::parse("REQUEST").ok()?;
    let worker = WorkerId::parse("WORKER").ok()?;
    let account = AccountId::parse("ACCOUNT").ok()?;
    let part = subjects::partition(&account);
    let refused = subjects::direct_refused(&gateway, &request, 1);
    let refused = refused.strip_suffix(".1")?;
    let counted = subjects::ledger_counted(&account, "MONTH", 0);
    let texts = [
        ("CHAT_STREAM", subjects::CHAT_STREAM.to_owned()),
        ("CHAT_SUBJECTS", subjects::CHAT_SUBJECTS.to_owned()),
        ("LEDGER_STREAM", subjects::LEDGER_STREAM.to_owned()),
        ("LEDGER_SUBJECTS", subjects::LEDGER_SUBJECTS.to_owned()),
        ("LEDGER_ENDS", subjects::LEDGER_ENDS.to_owned()),
        ("SEAL_RECORD", subjects::SEAL_RECORD.to_owned()),
        ("KEYS_BUCKET", subjects::KEYS_BUCKET.to_owned()),
        ("ACCOUNTS_BUCKET", subjects::ACCOUNTS_BUCKET.to_owned()),
        ("CANCEL_SUBJECTS", subjects::CANCEL_SUBJECTS.to_owned()),
        ("HEALTH_SUBJECTS", subjects::HEALTH_SUBJECTS.to_owned()),
        ("HEALTH_POLL", subjects::HEALTH_POLL.to_owned()),
        ("DEPARTURES", subjects::DEPARTURES.to_owned()),
        ("CHAT_POISON_ADVISORIES", subjects::CHAT_POISON_ADVISORIES.to_owned()),
        ("coupon_record", subjects::coupon_record("CODE")),
        ("recharge_record", subjects::recharge_record(&account)),
        ("RECHARGE_RECORDS", subjects::RECHARGE_RECORDS.to_owned()),
        ("COUPON_RECORDS", subjects::COUPON_RECORDS.to_owned()),
        ("chat", subjects::chat("POOL", "MODEL")),
        ("chat_pool", subjects::chat_pool("POOL")),
        ("chat_consumer", subjects::chat_consumer("POOL")),
        ("pull", subjects::pull(subjects::CHAT_STREAM, "POOL")),
        ("stream_info", subjects::stream_info(subjects::CHAT_STREAM)),
        ("claim", subjects::claim(&gateway)),
        ("direct", subjects::direct("POOL", &worker)),
        ("direct_refused", format!("{refused}.ATTEMPT")),
        ("direct_refused_all", subjects::direct_refused_all(&gateway)),
        ("frames", subjects::frames(&gateway, &request)),
        ("frames_all", subjects::frames_all(&gateway)),
        ("cancel", subjects::cancel(&request)),
        ("drain", subjects::drain(&worker)),
        ("health", subjects::health("POOL", &worker)),
        ("inbox", subjects::inbox("USER")),
        ("amended", subjects::amended(&subjects::ledger(&account, "use", "UNIQUE"))?),
        ("ledger", subjects::ledger(&account, "KIND", "UNIQUE")),
        ("ledger_account", subjects::ledger_account(&account)),
        ("ledger_account_kind", subjects::ledger_account_kind(&account, "KIND")),
        ("ledger_account_snapshots", subjects::ledger_account_snapshots(&account)),
        ("ledger_snapshots", subjects::ledger_snapshots(part)),
        ("ledger_counted_all", subjects::ledger_counted_all(part)),
        ("ledger_counted", counted.replace("MONTH-0-ACCOUNT", "UNIQUE")),
        ("ledger_cut", subjects::ledger_cut(part, "MONTH")),
        ("ledger_closing", subjects::ledger_closing(part, "MONTH")),
        ("ledger_closings", subjects::ledger_closings(part)),
        ("ledger_partition", subjects::ledger_partition(part)),
    ];
    let part = format!(".{part}.");
    Some(texts.map(|(item, text)| (item, placeholders(&text.replace(&part, ".<part>.")))).into())
}

fn keys_spelled() -> Option<Spelled> {
    let account = AccountId::parse("ACCOUNT").ok()?;
    let key = KeyId::parse("KEY").ok()?;
    let request = RequestId::parse("REQUEST").ok()?;
    let part = subjects::partition(&account);
    let tenant = Tenant::Account(account.clone());
    let texts = [
        ("probe", keys::probe()),
        ("audit", keys::audit()),
        ("notices", keys::notices()),
        ("used_up", keys::used_up("NAME")),
        ("watermark", keys::watermark(part)),
        ("live", keys::live(part)),
        ("account", keys::account(&account)),
        ("accounts", keys::accounts(part)),
        ("key", keys::key(&account, &key)),
        ("hold", keys::hold(&account, &request)),
        ("hold_in", keys::hold_in(part, "REQUEST")),
        ("holds", keys::holds(part)),
        ("lots", keys::lots(part)),
        ("total", keys::total(part)),
        ("usage", keys::usage(&account)),
        ("requests", keys::requests(&account)),
        ("rate", keys::rate(&account, &key)),
        ("parallel", keys::parallel(&account, &key)),
        ("account_rate", keys::account_rate(&account)),
        ("account_parallel", keys::account_parallel(&account)),
        ("answer", keys::answer(&tenant, "DIGEST")),
        ("answers", keys::answers(&tenant)),
        ("answer_sizes", keys::answer_sizes(&tenant)),
        ("similar", keys::similar(&tenant, "DIGEST")),
        ("similars", keys::similars(&tenant)),
        ("turn", keys::turn(&account, "DIGEST")),
        ("opinion", keys::opinion(&account, &request)),
        ("opinions", keys::opinions(part)),
        ("opinion_rows", keys::opinion_rows(part)),
        ("response", keys::response(&account, "RESPONSE")),
        ("responses", keys::responses(&account)),
        ("response_sizes", keys::response_sizes(&account)),
        ("backgrounds", keys::backgrounds(&account)),
        ("background_cancels", keys::background_cancels(&account)),
        ("once", keys::once(&account, "NAME")),
        ("onces", keys::onces(&account)),
        ("once_sizes", keys::once_sizes(&account)),
    ];
    let part = format!("{{{part}}}");
    Some(texts.map(|(item, text)| (item, placeholders(&text.replace(&part, "{part}")))).into())
}

/// `ACCOUNT` as a whole word of a name is written `<account>`.
fn placeholders(text: &str) -> String {
    const FILLED: [&str; 16] = [
        "ATTEMPT", "GATEWAY", "REQUEST", "WORKER", "ACCOUNT", "POOL", "MODEL", "KIND", "UNIQUE",
        "KEY", "DIGEST", "USER", "RESPONSE", "NAME", "CODE", "MONTH",
    ];
    let filled = |part: &str| match FILLED.contains(&part) {
        true => format!("<{}>", part.to_lowercase()),
        false => part.to_owned(),
    };
    let mark = if text.contains(':') { ':' } else { '.' };
    text.split(mark).map(filled).collect::<Vec<_>>().join(&mark.to_string())
}

/// Compares the items named in `column` with what they build: it must stand in one of `texts`.
fn compare(
    (rows, column): (&[Row], usize),
    texts: &[usize],
    spelled: &Spelled,
    items: &BTreeSet<String>,
) -> Vec<String> {
    let mut found = Vec::new();
    let mut told = BTreeSet::new();
    for row in rows {
        for item in row.spans(column) {
            let place = format!("{ARCHITECTURE}:{}", row.line);
            match spelled.get(item.as_str()) {
                Some(text) if texts.iter().any(|cell| row.plain(*cell) == *text) => {}
                Some(text) => found.push(format!("{place}: {item} is {text}")),
                None => {
                    found.push(format!("{place}: {item} is not known here: add it to names.rs"))
                }
            }
            told.insert(item);
        }
    }
    found.extend(items.difference(&told).map(|item| format!("{ARCHITECTURE}: tell {item}")));
    found
        .extend(told.difference(items).map(|item| format!("{ARCHITECTURE}: no such item: {item}")));
    found
}

pub(crate) fn subjects_are_those_of_the_contract(tree: &Tree) -> Vec<String> {
    let Some(spelled) = subjects_spelled() else { return vec!["no sample names".to_owned()] };
    let text = tree.text(SUBJECTS_FILE);
    let items = source::public(&text, "fn").into_iter().chain(source::public(&text, "const"));
    let items = items.filter(|item| !NO_SUBJECTS.contains(&item.as_str())).collect();
    let header = ["name", "kind", "subject", "spelled by", "what"];
    let rows: Vec<Row> = tables(&tree.text(ARCHITECTURE), &header).into_iter().flatten().collect();
    compare((&rows, 3), &[0, 2], &spelled, &items)
}

pub(crate) fn redis_keys_are_those_of_the_store(tree: &Tree) -> Vec<String> {
    let Some(spelled) = keys_spelled() else { return vec!["no sample names".to_owned()] };
    let items = source::public(&tree.text(KEYS_FILE), "fn").into_iter();
    let items = items.filter(|item| !NO_KEYS.contains(&item.as_str())).collect();
    let header = ["key", "built by", "what"];
    let rows: Vec<Row> = tables(&tree.text(ARCHITECTURE), &header).into_iter().flatten().collect();
    compare((&rows, 1), &[0], &spelled, &items)
}

/// How a stream's setting is told.
const PROPERTIES: [(&str, &str); 11] = [
    ("retention: RetentionPolicy::WorkQueue", "work queue"),
    ("retention: RetentionPolicy::Limits", "limits"),
    ("storage: StorageType::Memory", "memory"),
    ("storage: StorageType::File", "file"),
    ("discard: DiscardPolicy::New", "discard new"),
    ("discard_new_per_subject: true", "discard new per subject"),
    ("max_messages_per_subject: 1", "one message a subject"),
    ("deny_delete: true", "no delete"),
    ("deny_purge: true", "no purge"),
    ("allow_message_ttl: true", "message TTL"),
    ("allow_direct: true", "direct get"),
];

/// Settings that are told elsewhere: names, sizes of the configuration, a window.
const NO_PROPERTIES: [&str; 7] = [
    "name:",
    "description:",
    "subjects:",
    "max_messages: queue",
    "max_bytes: queue",
    "num_replicas:",
    "duplicate_window:",
];

pub(crate) fn streams_are_made_as_told(tree: &Tree) -> Vec<String> {
    let text = tree.text(STREAMS_FILE);
    let rows = tables(&tree.text(ARCHITECTURE), &["stream", "made by", "properties"]);
    let mut found = Vec::new();
    for row in rows.iter().flatten() {
        let place = format!("{ARCHITECTURE}:{}: {}", row.line, row.plain(0));
        let body = source::body(&text, &row.plain(1)).unwrap_or_default();
        let settings = body.lines().map(|line| line.trim().trim_end_matches(','));
        let settings: Vec<&str> = settings
            .filter(|line| line.contains(": ") && !line.starts_with(".."))
            .filter(|line| !NO_PROPERTIES.iter().any(|start| line.starts_with(start)))
            .collect();
        let mut words = Vec::new();
        for setting in settings {
            match PROPERTIES.iter().find(|(code, _)| *code == setting) {
                Some((_, word)) => words.push(*word),
                None => found.push(format!("{place}: `{setting}` has no word in names.rs")),
            }
        }
        if row.plain(2) != words.join(", ") {
            found.push(format!("{place}: is made as: {}", words.join(", ")));
        }
    }
    let made = rows.iter().flatten().count();
    if made != 2 {
        found.push(format!("{ARCHITECTURE}: {made} of 2 streams are told"));
    }
    found
}

pub(crate) fn limits_are_those_of_the_code(tree: &Tree) -> Vec<String> {
    let rows = tables(&tree.text(ARCHITECTURE), &["limit", "file", "value", "beyond it"]);
    let mut found = Vec::new();
    for row in rows.iter().flatten() {
        let (name, file, told) = (row.plain(0), row.plain(1), row.plain(2));
        let value = source::constant(&tree.text(&file), &name).map(|value| readable(&value));
        if value.as_deref() != Some(told.as_str()) {
            let place = format!("{ARCHITECTURE}:{}", row.line);
            found.push(format!("{place}: {name} in {file} is {value:?}, not {told}"));
        }
    }
    if rows.is_empty() {
        found.push(format!("{ARCHITECTURE}: no table of limits"));
    }
    found
}

/// `Duration::from_secs(2)` is `2 s`; digits without marks.
fn readable(value: &str) -> String {
    let value = value.replace('_', "");
    for (start, unit) in [("Duration::fromsecs(", "s"), ("Duration::frommillis(", "ms")] {
        if let Some(number) = value.strip_prefix(start).and_then(|rest| rest.strip_suffix(')')) {
            return format!("{number} {unit}");
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::found;

    #[test]
    fn a_wrong_subject_is_found() {
        let check = subjects_are_those_of_the_contract;
        assert_eq!(found(check, ARCHITECTURE, "`gw.<gateway>.claim` |", "`gw.claim` |").len(), 1);
        assert_eq!(found(check, ARCHITECTURE, "`frames_all`", "–").len(), 1);
        let more =
            "/// X.\npub fn resend() -> String {\n    String::new()\n}\n\n/// All events of an";
        assert_eq!(found(check, SUBJECTS_FILE, "/// All events of an", more).len(), 1);
    }

    #[test]
    fn a_stream_made_otherwise_is_found() {
        let check = streams_are_made_as_told;
        let (memory, file) = ("storage: StorageType::Memory", "storage: StorageType::File");
        assert_eq!(found(check, STREAMS_FILE, memory, file).len(), 1);
        assert_eq!(found(check, STREAMS_FILE, "deny_delete: true", "sealed: true").len(), 2);
        assert_eq!(found(check, ARCHITECTURE, "no delete, no purge", "no purge").len(), 1);
    }

    #[test]
    fn a_wrong_key_is_found() {
        let check = redis_keys_are_those_of_the_store;
        assert_eq!(found(check, ARCHITECTURE, "`{part}:holds`", "`{part}:hold`").len(), 1);
        assert_eq!(found(check, ARCHITECTURE, "`hold`, `hold_in`", "`hold`").len(), 1);
    }

    #[test]
    fn a_wrong_limit_is_found() {
        let check = limits_are_those_of_the_code;
        let (told, wrong) = ("relay.rs` | 250 ms |", "relay.rs` | 251 ms |");
        assert_eq!(found(check, ARCHITECTURE, told, wrong).len(), 1);
        let (code, other) = ("FRAMES_WAITING_MAX: usize = 4_096", "FRAMES_WAITING_MAX: usize = 9");
        assert_eq!(found(check, "gateway/src/exchange/frames.rs", code, other).len(), 1);
        assert_eq!(readable("Duration::from_secs(2)"), "2 s");
    }
}
