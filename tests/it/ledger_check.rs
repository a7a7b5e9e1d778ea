//! `ledger check` and snapshots: it reads from the last closing on, tells a closing that its
//! snapshots don't make, and with `--whole` a snapshot that its events don't make.

use crate::program::{Place, Said, Up};
use harness::{World, wait_until};
use infra::bus::Bus;
use infra::bus::ledger::Entry;
use infra::clock;
use infra::metrics::Metrics;
use infra::store::Store;
use infra::store::apply::Applied;
use schemas::ids::AccountId;
use schemas::ledger::{EventV1, Fact};
use schemas::money::MicroUsd;
use schemas::snapshots::{Closing, Cut, Snapshot};
use schemas::subjects;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use worker_billing::Billing;
use worker_billing::close::close_month;

/// Milliseconds to a moment in which this month is over and the next isn't.
const MONTH_AND_DAY_MS: u64 = 32 * 86_400_000;

/// A running program, and its servers as a billing worker sees them.
struct Books {
    place: Place,
    up: Up,
    billing: Billing,
    account: AccountId,
}

impl Books {
    async fn open() -> Self {
        let place = Place::new().await;
        let up = place.up().await;
        let bus = Bus::connect(up.text("nats_url"), "check").await.unwrap();
        let store = Store::connect(up.text("redis_url")).await.unwrap();
        let billing = Billing { bus, store, metrics: Metrics::new().unwrap(), payments: None };
        let mut books = Self { place, up, billing, account: AccountId::of_part() };
        let wish = ["keys", "create", "--name", "k", "--credit", "1", "--json"];
        let made = books.place.run(&wish).await.json();
        books.account = AccountId::parse(made["account"].as_str().unwrap()).unwrap();
        books
    }

    fn part(&self) -> u16 {
        subjects::partition(&self.account)
    }

    async fn record(&self, account: AccountId, fact: Fact) {
        let event = EventV1 { account, at_ms: clock::unix_ms(), amount: MicroUsd::ZERO, fact };
        self.billing.bus.record(&event).await.unwrap();
    }

    /// A closing as a broken program would write it: its snapshots sum to `balance`.
    async fn close_wrongly(&self, balance: i64, told: i64) {
        let partition = self.part();
        let filter = subjects::ledger_partition(partition);
        let through = self.billing.bus.last_recorded(&filter).await.unwrap();
        let tallies = self.billing.bus.tallies(partition, None, through).await.unwrap();
        let cut = Cut { partition, month: "2020-01".to_owned(), through };
        self.record(AccountId::of_part(), Fact::Cut(cut.clone())).await;
        for (account, tally) in &tallies.accounts {
            let mut snapshot: Snapshot = tally.snapshot(&cut);
            if *account == self.account {
                snapshot.balance = MicroUsd(balance);
            }
            self.record(account.clone(), Fact::Snapshot(Box::new(snapshot))).await;
        }
        let (accounts, events) = (tallies.accounts.len() as u64, tallies.events());
        let others = tallies.balance().0 - 1_000_000;
        let balance = MicroUsd(others + told);
        let closing = Closing { cut, accounts, events, balance, requests: None };
        self.record(AccountId::of_part(), Fact::Closing(closing)).await;
    }

    async fn check(&self, more: &[&str]) -> Said {
        self.place.run(&[&["ledger", "check", "--json"], more].concat()).await
    }

    /// Ends without the check of the sums, which are wrong.
    async fn shut(mut self) {
        self.up.signal(rustix::process::Signal::TERM);
        assert_eq!(self.up.ended().await, Some(0), "{}", self.place.errors());
    }
}

fn told(said: &Said) -> Value {
    assert_eq!(said.code, Some(1), "{said:?}");
    said.json_lines().remove(0)
}

#[tokio::test]
async fn a_check_reads_what_no_snapshot_has_and_the_whole_when_asked() {
    let books = Books::open().await;
    let account = books.account.to_string();
    let later = clock::unix_ms() + MONTH_AND_DAY_MS;
    for part in 0..subjects::LEDGER_PARTITIONS {
        close_month(&books.billing, part, later).await.unwrap();
    }
    let given = books.place.run(&["credits", "grant", &account, "2"]).await;
    assert_eq!(given.code, Some(0), "{given:?}");
    let short = books.check(&[]).await.json();
    let whole = books.check(&["--whole"]).await.json();
    for (check, read) in [(&short, 1), (&whole, 3)] {
        let sums = (&check["ok"], &check["accounts"], &check["events"]);
        assert_eq!(sums, (&json!(true), &json!(2), &json!(3)), "{check}");
        let beside_snapshots = check["read"].as_u64().unwrap();
        assert!(beside_snapshots >= read, "{check}");
    }
    assert!(short["read"].as_u64() < whole["read"].as_u64(), "{short} {whole}");
    // A rebuild begins where the check does, or at the beginning.
    for (arguments, from_closing) in [(&[][..], true), (&["--whole"], false)] {
        let rebuild = [&["ledger", "rebuild", "--json"], arguments].concat();
        let rebuilt = books.place.run(&rebuild).await.json();
        assert_eq!((&rebuilt["ok"], &rebuilt["events"]), (&json!(true), &json!(3)), "{rebuilt}");
        let standing = books.billing.store.standing(books.part()).await.unwrap();
        assert_eq!(standing.base > 0, from_closing);
    }
    books.up.finish(&books.place).await;
}

#[tokio::test]
async fn a_snapshot_that_its_events_do_not_make_is_told() {
    let books = Books::open().await;
    books.close_wrongly(900_000, 900_000).await;
    // From the snapshot on, the balance is another than that of the view.
    let short = told(&books.check(&[]).await);
    assert_eq!(short["snapshots"], json!([]), "{short}");
    assert_eq!(short["differences"][0]["ledger_micro_usd"], 900_000, "{short}");
    // The whole proves the view, and says that the snapshot is wrong.
    let whole = told(&books.check(&["--whole"]).await);
    assert_eq!(whole["differences"], json!([]), "{whole}");
    assert_eq!(whole["snapshots"], json!([format!("{}: 2020-01", books.account)]), "{whole}");
    let words = books.place.run(&["ledger", "check", "--whole"]).await;
    assert!(words.out.contains("not the sum of its events"), "{words:?}");
    books.shut().await;
}

#[tokio::test]
async fn a_closing_that_its_snapshots_do_not_make_is_told() {
    let books = Books::open().await;
    books.close_wrongly(1_000_000, 900_000).await;
    let check = told(&books.check(&[]).await);
    let part = format!("part {}: not what its closing says", books.part());
    assert_eq!(check["snapshots"], json!([part]), "{check}");
    assert_eq!(check["differences"], json!([]), "{check}");
    // Nobody closes the next month upon it.
    let later = clock::unix_ms() + MONTH_AND_DAY_MS;
    let refused = close_month(&books.billing, books.part(), later).await.unwrap_err();
    assert!(refused.to_string().contains("ledger check --whole"), "{refused}");
    books.shut().await;
}

#[tokio::test]
async fn what_came_late_is_listed_and_counts_for_nothing() {
    let books = Books::open().await;
    let fact = Fact::Grant { unique: "late".into(), note: String::new() };
    let at_ms = clock::unix_ms() - 25 * 3_600_000;
    let account = books.account.clone();
    let late = EventV1 { account, at_ms, amount: MicroUsd(7), fact };
    books.billing.bus.record(&late).await.unwrap();
    wait_until("it is listed", async || {
        let check = books.check(&[]).await.json();
        check["late"][0]["subject"] == late.subject() && check["late"][0]["micro_usd"] == 7
    })
    .await;
    books.up.finish(&books.place).await;
}

#[tokio::test]
async fn a_view_of_another_ledger_is_told() {
    let books = Books::open().await;
    // An event that this ledger doesn't have. Billing looks for that only when something happens.
    let Billing { store, .. } = &books.billing;
    let (part, event) = (books.part(), None);
    let of_another = [Entry { sequence: 1_000_000, event, taken_ms: 1, late: None }];
    let before = store.watermark(part).await.unwrap();
    let applied = store.apply(part, before, 0, &of_another).await.unwrap();
    assert!(matches!(applied, Applied::At(_)), "{applied:?}");
    let check = books.check(&[]).await;
    assert_eq!(check.code, Some(1), "{check:?}");
    assert!(check.err.contains("another ledger"), "{check:?}");
    let told = check.json_lines().remove(0);
    assert_eq!((&told["ok"], &told["differences"]), (&json!(false), &json!([])));
    assert!(told["error"].as_str().is_some_and(|why| why.contains("another ledger")), "{told}");
    books.shut().await;
}

#[tokio::test]
async fn a_check_needs_no_standstill() {
    let books = Books::open().await;
    let (bus, over) = (&books.billing.bus, AtomicBool::new(false));
    let busy = (0..3).map(|writer| {
        let (over, account) = (&over, &books.account);
        async move {
            let mut number = 0;
            while !over.load(Ordering::Relaxed) {
                number += 1;
                let unique = format!("busy-{writer}-{number}");
                let fact = Fact::Grant { unique, note: String::new() };
                let (account, at_ms) = (account.clone(), clock::unix_ms());
                let event = EventV1 { account, at_ms, amount: MicroUsd(1), fact };
                bus.record(&event).await.unwrap();
            }
        }
    });
    let checked = async {
        for more in [&[][..], &[], &["--whole"]] {
            let check = books.check(more).await;
            assert_eq!(check.code, Some(0), "{check:?}");
            assert_eq!(check.json()["ok"], true);
        }
        let rebuilt = books.place.run(&["ledger", "rebuild", "--json"]).await;
        assert_eq!(rebuilt.code, Some(0), "{rebuilt:?}");
        over.store(true, Ordering::Relaxed);
    };
    futures::join!(futures::future::join_all(busy), checked);
    books.up.finish(&books.place).await;
}

#[tokio::test]
async fn a_grant_that_is_written_has_succeeded() {
    let mut world = World::start().await;
    let key = world.key(1_000_000).await;
    world.stop_billing(0).await;
    let mut place = Place::new().await;
    place.set("NATS_URL", &world.servers().nats_url());
    place.set("REDIS_URL", world.servers().redis_url());
    let grant = ["credits", "grant", key.account.as_str(), "3"];
    let told = place.run(&grant).await;
    assert_eq!(told.code, Some(0), "{told:?}");
    let unique = told.out.split("--unique ").nth(1).and_then(|rest| rest.split(')').next());
    let unique = unique.unwrap_or_else(|| panic!("its name is told: {told:?}")).to_owned();
    let again = place.run(&[&grant[..], &["--unique", &unique, "--json"]].concat()).await.json();
    assert_eq!((&again["applied"], &again["unique"]), (&json!(false), &json!(unique)));
    world.add_billing();
    wait_until("it is in the balance, once", async || world.balance(&key).await == 4_000_000).await;
    world.finish().await;
}
