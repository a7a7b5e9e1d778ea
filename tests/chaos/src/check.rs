//! The invariants: what must hold whatever happened. Each is judged from the evidence alone, told
//! with its figure, and with examples when it is broken.

use crate::answer;
use crate::cluster::{REQUEST_SECONDS_MAX, SETTLE_GRACE_SECONDS};
use crate::evidence::{Evidence, sums};
use crate::load::{End, Seen};
use schemas::ledger::{Fact, Use};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

/// How long after the last fault a request may take to succeed.
const LIVE_AGAIN_MAX: Duration = Duration::from_secs(30);

/// How much longer than its life a request may take, beside the longest halt of a process.
const LATE_MAX: Duration = Duration::from_secs(5);

/// How much later than its time a forgotten hold may be found: billing looks each second, and the
/// servers may be away at that moment.
const SWEEP_SECONDS_MAX: u64 = 4;

/// Runs of one request: the gateway's attempts, each handed out as often as the queue may.
const STARTS_MAX: usize = 4 * 3;

/// Examples that are told.
const EXAMPLES_MAX: usize = 5;

/// An invariant, and what became of it.
#[derive(Debug, Clone)]
pub struct Finding {
    /// What must hold.
    pub name: &'static str,
    /// What was counted.
    pub figure: String,
    /// How often it did not hold.
    pub broken: usize,
    /// Some of those.
    pub examples: Vec<String>,
}

impl Finding {
    fn of(name: &'static str, figure: String, broken: Vec<String>) -> Self {
        let count = broken.len();
        Self {
            name,
            figure,
            broken: count,
            examples: broken.into_iter().take(EXAMPLES_MAX).collect(),
        }
    }
}

/// A name for each invariant.
pub(crate) mod names {
    pub(crate) const PREFIX: &str = "text is a prefix of the one right answer";
    pub(crate) const WHOLE: &str = "an answer that ends well is whole";
    pub(crate) const ONE_END: &str = "a client is told one end at most";
    pub(crate) const NO_SECOND: &str = "nothing starts again after its client has read text";
    pub(crate) const STARTS: &str = "every start was asked for and held";
    pub(crate) const TERMINAL: &str = "one end in the ledger for each accepted request";
    pub(crate) const CHARGED: &str = "no charge without a start";
    pub(crate) const PRICE: &str = "a charge is its price, and within its hold";
    pub(crate) const RECEIPT: &str = "who saw the end is charged what it was told";
    pub(crate) const SUMS: &str = "balance is the sum of the ledger";
    pub(crate) const REBUILT: &str = "and again after Redis was wiped";
    pub(crate) const OVERDRAWN: &str = "no account is ever overdrawn";
    pub(crate) const HOLDS: &str = "no hold is left";
    pub(crate) const QUEUE: &str = "no job is left";
    pub(crate) const RUNNING: &str = "no request is left running";
    pub(crate) const IN_TIME: &str = "every request ends in its time";
    pub(crate) const ALIVE: &str = "alive again within 30 s";
    pub(crate) const VENDOR: &str = "no vendor goes on for nobody";
    pub(crate) const PROCESSES: &str = "no process ends by itself, panics, or hangs at its end";
}

/// Judges everything.
pub(crate) fn check(evidence: &Evidence) -> Vec<Finding> {
    vec![
        prefix(evidence),
        whole(evidence),
        one_end(evidence),
        no_second(evidence),
        starts(evidence),
        terminal(evidence),
        charged(evidence),
        price(evidence),
        receipt(evidence),
        equal_sums(evidence),
        rebuilt(evidence),
        overdrawn(evidence),
        holds(evidence),
        queue(evidence),
        running(evidence),
        in_time(evidence),
        vendor(evidence),
        alive(evidence),
        processes(evidence),
    ]
}

fn prefix(evidence: &Evidence) -> Finding {
    let texts: Vec<&Seen> = evidence.seen.iter().filter(|seen| !seen.text.is_empty()).collect();
    let wrong = texts.iter().filter(|seen| !answer::text(&seen.id).starts_with(&seen.text));
    let broken = wrong.map(|seen| format!("{}: {}", seen.id, seen.text)).collect();
    Finding::of(names::PREFIX, format!("{} texts", texts.len()), broken)
}

fn whole(evidence: &Evidence) -> Finding {
    let done: Vec<&Seen> = evidence.seen.iter().filter(|seen| seen.end == End::Done).collect();
    let torn = done.iter().filter(|seen| seen.text != answer::text(&seen.id));
    let broken = torn.map(|seen| format!("{}: {}", seen.id, seen.text)).collect();
    Finding::of(names::WHOLE, format!("{} whole answers", done.len()), broken)
}

fn one_end(evidence: &Evidence) -> Finding {
    let mut ends: BTreeMap<String, usize> = BTreeMap::new();
    for seen in &evidence.seen {
        let name = match &seen.end {
            End::Done => "done".to_owned(),
            End::Error(status, code) => format!("{status} {code}"),
            End::Broken => "broken".to_owned(),
            End::LeftByUs => "left".to_owned(),
        };
        *ends.entry(name).or_insert(0) += 1;
    }
    let many = evidence.seen.iter().filter(|seen| seen.ends > 1);
    let broken = many.map(|seen| format!("{}: {} ends", seen.id, seen.ends)).collect();
    Finding::of(names::ONE_END, format!("{} requests: {ends:?}", evidence.seen.len()), broken)
}

fn no_second(evidence: &Evidence) -> Finding {
    let first: HashMap<&str, _> = evidence
        .seen
        .iter()
        .filter_map(|seen| Some((seen.id.as_str(), seen.first_text?)))
        .collect();
    let late = evidence.starts.iter().filter(|start| {
        first.get(start.id.as_str()).is_some_and(|first_text| start.at > *first_text)
    });
    let broken = late.map(|start| start.id.clone()).collect();
    Finding::of(names::NO_SECOND, format!("{} had text", first.len()), broken)
}

fn starts(evidence: &Evidence) -> Finding {
    let mut asked: HashMap<&str, bool> = HashMap::new();
    for seen in &evidence.seen {
        let refused = matches!(&seen.end, End::Error(429, code) if code == "insufficient_quota");
        *asked.entry(&seen.id).or_insert(false) |= !refused;
    }
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for start in &evidence.starts {
        *counts.entry(&start.id).or_insert(0) += 1;
    }
    let again = counts.values().filter(|count| **count > 1).count();
    let wrong = counts
        .iter()
        .filter(|(id, count)| **count > STARTS_MAX || !asked.get(*id).copied().unwrap_or(false));
    let broken = wrong.map(|(id, count)| format!("{id}: {count} starts")).collect();
    let figure = format!("{} starts, {again} requests more than once", evidence.starts.len());
    Finding::of(names::STARTS, figure, broken)
}

/// How often each request ended in the ledger, whatever the subject.
fn ends(evidence: &Evidence) -> HashMap<String, usize> {
    let mut ends = HashMap::new();
    for entry in &evidence.ledger {
        if let Some(request) = entry.event.request() {
            *ends.entry(request.to_string()).or_insert(0) += 1;
        }
    }
    ends
}

fn terminal(evidence: &Evidence) -> Finding {
    let ends = ends(evidence);
    let life = REQUEST_SECONDS_MAX + SETTLE_GRACE_SECONDS + SWEEP_SECONDS_MAX;
    let life = Duration::from_secs(life);
    let mut broken: Vec<String> = Vec::new();
    let twice = ends.iter().filter(|(_, count)| **count > 1);
    broken.extend(twice.map(|(request, count)| format!("{request} ended {count} times")));
    let (mut known, mut forgotten) = (HashSet::new(), 0);
    for seen in &evidence.seen {
        let Some(request) = &seen.request else { continue };
        known.insert(request.as_str());
        if !seen.accepted || ends.contains_key(request) {
            continue;
        }
        // Its gateway died, and Redis forgot the hold: nobody is left who knows of it.
        let lost = |wipe: &std::time::Instant| *wipe >= seen.sent && *wipe <= seen.sent + life;
        if seen.end == End::Broken && evidence.story.wipes.iter().any(lost) {
            forgotten += 1;
        } else {
            broken.push(format!("{} ({request}) never ended: {:?}", seen.id, seen.end));
        }
    }
    let nameless = evidence.seen.iter().filter(|seen| seen.request.is_none()).count();
    let unknown = ends.keys().filter(|request| !known.contains(request.as_str())).count();
    if unknown > nameless {
        broken.push(format!("{unknown} ends of requests that nobody sent, {nameless} unheard"));
    }
    let figure = format!(
        "{} ends, {unknown} of them of {nameless} requests whose name nobody heard; {forgotten} \
         forgotten with gateway and Redis",
        ends.len()
    );
    Finding::of(names::TERMINAL, figure, broken)
}

/// All charges with what was charged.
fn uses(evidence: &Evidence) -> impl Iterator<Item = (&Use, i64)> {
    evidence.ledger.iter().filter_map(|entry| match &entry.event.fact {
        Fact::Use(charged) => Some((charged, -entry.event.amount.0)),
        _ => None,
    })
}

fn charged(evidence: &Evidence) -> Finding {
    let started: HashSet<&str> = evidence.starts.iter().map(|start| start.id.as_str()).collect();
    let by_name: HashMap<&str, &str> = evidence
        .seen
        .iter()
        .filter_map(|seen| Some((seen.request.as_deref()?, seen.id.as_str())))
        .collect();
    let nameless = evidence
        .seen
        .iter()
        .filter(|seen| seen.request.is_none() && started.contains(seen.id.as_str()))
        .count();
    let (mut broken, mut unknown, mut count) = (Vec::new(), 0, 0);
    for (charged, amount) in uses(evidence) {
        count += 1;
        match by_name.get(charged.request.as_str()) {
            Some(id) if started.contains(id) => {}
            Some(id) => broken.push(format!("{id}: {amount} µUSD")),
            None => unknown += 1,
        }
    }
    if unknown > nameless {
        broken.push(format!("{unknown} charges of unheard requests, {nameless} started"));
    }
    Finding::of(names::CHARGED, format!("{count} charges, {unknown} unheard"), broken)
}

fn price(evidence: &Evidence) -> Finding {
    let wrong = uses(evidence).filter(|(charged, amount)| {
        let price = charged.price.charge(&charged.usage).min(charged.hold);
        *amount != price.0 || *amount < 0
    });
    let broken = wrong.map(|(charged, amount)| format!("{}: {amount}", charged.request)).collect();
    let total: i64 = uses(evidence).map(|(_, amount)| amount).sum();
    Finding::of(names::PRICE, format!("{total} µUSD charged"), broken)
}

fn receipt(evidence: &Evidence) -> Finding {
    let uses: HashMap<&str, (&Use, i64)> =
        uses(evidence).map(|charge| (charge.0.request.as_str(), charge)).collect();
    let (mut broken, mut count) = (Vec::new(), 0);
    for seen in evidence.seen.iter().filter(|seen| seen.end == End::Done) {
        count += 1;
        let output = answer::pieces(&seen.id).len() as u64;
        let amount = i64::try_from(answer::INPUT_TOKENS + 2 * output).unwrap_or(i64::MAX);
        let told = seen.usage == Some((answer::INPUT_TOKENS, output));
        let charged = seen.request.as_deref().and_then(|request| uses.get(request));
        let right = charged
            .is_some_and(|(charged, charge)| *charge == amount && charged.usage.output == output);
        if !told || !right {
            broken.push(format!("{}: told {:?}, charged {charged:?}", seen.id, seen.usage));
        }
    }
    Finding::of(names::RECEIPT, format!("{count} receipts"), broken)
}

fn compare(sums: &BTreeMap<String, i64>, found: &BTreeMap<String, (i64, i64)>) -> Vec<String> {
    let accounts: BTreeSet<&String> = sums.keys().chain(found.keys()).collect();
    let amounts = accounts.into_iter().map(|account| {
        let (balance, _) = found.get(account).copied().unwrap_or_default();
        (account, sums.get(account).copied().unwrap_or(0), balance)
    });
    let differ = amounts.filter(|(_, sum, balance)| sum != balance);
    differ.map(|(account, sum, balance)| format!("{account}: {sum} but {balance}")).collect()
}

fn equal_sums(evidence: &Evidence) -> Finding {
    let sums = sums(&evidence.ledger);
    let broken = compare(&sums, &evidence.balances);
    let figure = format!("{} accounts, {} events", sums.len(), evidence.ledger.len());
    Finding::of(names::SUMS, figure, broken)
}

fn rebuilt(evidence: &Evidence) -> Finding {
    let sums = sums(&evidence.ledger);
    let broken = compare(&sums, &evidence.rebuilt);
    Finding::of(names::REBUILT, format!("{} events replayed", evidence.ledger.len()), broken)
}

fn overdrawn(evidence: &Evidence) -> Finding {
    let lowest = evidence.lowest;
    let mut broken = Vec::new();
    if lowest.looks > 0 && lowest.available < 0 {
        broken.push(format!("{} µUSD were free", lowest.available));
    }
    let mut balances: BTreeMap<&str, i64> = BTreeMap::new();
    for entry in &evidence.ledger {
        let balance = balances.entry(entry.event.account.as_str()).or_insert(0);
        *balance += entry.event.amount.0;
        if *balance < 0 {
            broken.push(format!("{} at {}", entry.event.account, entry.subject));
        }
    }
    let figure = format!("{} looks, at least {} µUSD free", lowest.looks, lowest.available);
    Finding::of(names::OVERDRAWN, figure, broken)
}

fn counted(name: &'static str, left: u64) -> Finding {
    let broken = (left > 0).then(|| format!("{left} left")).into_iter().collect();
    Finding::of(name, format!("{left} left"), broken)
}

fn holds(evidence: &Evidence) -> Finding {
    let held: i64 = evidence.balances.values().map(|(_, held)| *held).sum();
    let mut finding = counted(names::HOLDS, evidence.leftovers.holds);
    if held != 0 {
        finding.broken += 1;
        finding.examples.push(format!("{held} µUSD are held"));
    }
    finding
}

fn queue(evidence: &Evidence) -> Finding {
    let left = &evidence.leftovers;
    counted(names::QUEUE, left.jobs + left.unacknowledged as u64)
}

fn running(evidence: &Evidence) -> Finding {
    counted(names::RUNNING, evidence.leftovers.running as u64)
}

fn in_time(evidence: &Evidence) -> Finding {
    let life = Duration::from_secs(REQUEST_SECONDS_MAX);
    let limit = life + LATE_MAX + evidence.story.longest_halt;
    let longest = evidence.seen.iter().map(|seen| seen.took).max().unwrap_or_default();
    let late = evidence.seen.iter().filter(|seen| seen.took > limit);
    let broken = late.map(|seen| format!("{}: {:?}, {:?}", seen.id, seen.took, seen.end)).collect();
    Finding::of(names::IN_TIME, format!("{} ms at most", longest.as_millis()), broken)
}

/// A client that hangs up stops its vendor. How soon is told as a figure.
fn vendor(evidence: &Evidence) -> Finding {
    let open = evidence.starts.iter().filter(|start| start.ended.is_none());
    let broken = open.map(|start| format!("{} is still being told", start.id)).collect();
    let ends: HashMap<&str, _> = evidence
        .starts
        .iter()
        .filter_map(|start| Some((start.id.as_str(), start.ended?)))
        .collect();
    let left = evidence.seen.iter().filter(|seen| seen.end == End::LeftByUs);
    let mut took: Vec<u128> = left
        .filter_map(|seen| Some((ends.get(seen.id.as_str())?, seen.sent + seen.took)))
        .map(|(ended, left)| ended.saturating_duration_since(left).as_millis())
        .collect();
    took.sort_unstable();
    let (half, last) = (took.get(took.len() / 2).copied(), took.last().copied());
    let figure = format!(
        "{} hang-ups, half of them stopped it within {} ms, all within {} ms",
        took.len(),
        half.unwrap_or(0),
        last.unwrap_or(0)
    );
    Finding::of(names::VENDOR, figure, broken)
}

fn alive(evidence: &Evidence) -> Finding {
    let late = evidence
        .live_again
        .iter()
        .enumerate()
        .filter(|(_, took)| took.is_none_or(|took| took > LIVE_AGAIN_MAX));
    let broken = late.map(|(gateway, took)| format!("gateway {gateway}: {took:?}")).collect();
    let slowest = evidence.live_again.iter().flatten().max().map_or(0, Duration::as_millis);
    Finding::of(names::ALIVE, format!("{slowest} ms at most"), broken)
}

fn processes(evidence: &Evidence) -> Finding {
    let mut broken = evidence.bad_ends.clone();
    broken.extend(evidence.panics.keys().cloned());
    Finding::of(names::PROCESSES, format!("{} faults", evidence.story.acts.len()), broken)
}
