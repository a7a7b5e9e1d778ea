//! Snapshots: a month that is over is closed once by any number of billing workers, and whoever
//! reads from a snapshot on comes to the same as who reads all; what comes too late counts for
//! nothing, is told, and leaves no hold.

use harness::{Key, World, wait_until};
use infra::calendar::TimeZone;
use infra::clock;
use infra::metrics::Metrics;
use infra::store::holds::{Reservation, Reserved};
use schemas::ids::RequestId;
use schemas::ledger::{EventV1, Fact, Use};
use schemas::money::MicroUsd;
use schemas::snapshots::{Closing, Cut, Snapshot, Tally};
use schemas::subjects;
use worker_billing::Billing;
use worker_billing::close::close_month;

/// Milliseconds from any moment to one in which its month is over, and the next isn't: the shortest
/// month and the day that follows it.
const MONTH_AND_DAY_MS: u64 = 32 * 86_400_000;

pub(crate) fn billing(world: &World) -> Billing {
    let (bus, store) = (world.bus().clone(), world.store().clone());
    Billing { bus, store, metrics: Metrics::new().unwrap(), payments: None }
}

/// The last month that is over for a day then.
fn month_over_at(now_ms: u64) -> String {
    let month_of = |at_ms| TimeZone::JAPAN.rfc3339(at_ms).get(..7).unwrap().to_owned();
    let open = month_of(now_ms - 86_400_000);
    month_of(clock::parse_rfc3339(&format!("{open}-01T00:00:00+09:00")).unwrap() - 1)
}

/// Closes what is over then, in a key's part.
async fn close(world: &World, key: &Key, now_ms: u64) -> Option<Closing> {
    close_month(&billing(world), subjects::partition(&key.account), now_ms).await.unwrap()
}

/// All events that the ledger has of an account, read one by one.
fn whole(ledger: &[EventV1], key: &Key) -> Tally {
    let mut tally = Tally::default();
    ledger.iter().filter(|event| event.account == key.account).for_each(|e| tally.add(e));
    tally
}

async fn snapshots(world: &World, key: &Key) -> Vec<Snapshot> {
    world.bus().account_snapshots(&key.account).await.unwrap()
}

#[tokio::test]
async fn a_month_is_closed_once_and_goes_on_from_its_snapshot() {
    let world = World::builder().sells().billings(2).start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    for _ in 0..3 {
        assert_eq!(client.ask("fast", "hello").await.status, 200);
    }
    world.wait_until_applied().await;
    let now_ms = clock::unix_ms();
    assert_eq!(close(&world, &key, now_ms).await, None, "this month goes on");
    let later = now_ms + MONTH_AND_DAY_MS;
    let both = [billing(&world), billing(&world)];
    let part = subjects::partition(&key.account);
    let (one, other) =
        tokio::join!(close_month(&both[0], part, later), close_month(&both[1], part, later));
    let closings: Vec<Closing> = [one.unwrap(), other.unwrap()].into_iter().flatten().collect();
    assert!(closings.iter().all(|closing| *closing == closings[0]), "{closings:?}");
    assert_eq!((closings[0].accounts, closings[0].events), (1, 4));
    assert_eq!(close(&world, &key, later).await, None, "it is closed");
    assert_eq!(snapshots(&world, &key).await.len(), 1);

    // What comes later is read from there on, and only that.
    assert_eq!(client.ask("fast", "hello").await.status, 200);
    world.grant(&key.account, 500_000, "second").await;
    let history = world.bus().account_history(&key.account).await.unwrap();
    assert_eq!(history.events().filter(|event| event.is_of_an_account()).count(), 2);
    assert_eq!(history.snapshot.as_ref().unwrap().events, 4);
    let all = whole(&world.ledger().await, &key);
    assert_eq!(history.tally(), all);
    assert_eq!(all.balance().0, world.balance(&key).await);
    assert_eq!(client.get("/api/credits/lots").await.json()["data"].as_array().unwrap().len(), 2);

    // The next month has its own, from the last one on.
    let next = close(&world, &key, later + MONTH_AND_DAY_MS).await.unwrap();
    assert_eq!((next.events, next.balance), (6, all.balance()));
    let made = snapshots(&world, &key).await;
    assert_eq!(made.last().unwrap(), &all.snapshot(&next.cut));
    let tallies = world.bus().tallies(part, Some(&next), next.cut.through).await.unwrap();
    assert!(!tallies.is_broken && tallies.read == 0, "{tallies:?}");
    world.finish().await;
}

#[tokio::test]
async fn who_dies_while_closing_leaves_it_to_the_next() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let later = clock::unix_ms() + MONTH_AND_DAY_MS;
    let part = subjects::partition(&key.account);
    // A worker has cut and written nothing else; more events follow.
    let through = world.bus().last_recorded(&subjects::ledger_partition(part)).await.unwrap();
    let cut = Cut { partition: part, month: month_over_at(later), through };
    let fact = Fact::Cut(cut.clone());
    let account = schemas::ids::AccountId::of_part();
    let event = EventV1 { account, at_ms: clock::unix_ms(), amount: MicroUsd::ZERO, fact };
    world.bus().record(&event).await.unwrap();
    world.grant(&key.account, 5, "second").await;
    let closing = close(&world, &key, later).await.unwrap();
    assert_eq!((closing.cut, closing.events, closing.balance.0), (cut, 1, 1_000_000));
    let history = world.bus().account_history(&key.account).await.unwrap();
    assert_eq!(history.tally().balance().0, 1_000_005);
    world.finish().await;
}

#[tokio::test]
async fn what_comes_too_late_counts_for_nothing_and_is_told() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    assert_eq!(world.client(&key).ask("fast", "hello").await.status, 200);
    world.wait_until_applied().await;
    let before = world.balance(&key).await;
    let events = world.ledger().await;
    let used = events.iter().find(|event| matches!(event.fact, Fact::Use(_))).unwrap().clone();
    let Fact::Use(fact) = used.fact.clone() else { panic!("{used:?}") };
    let at_ms = clock::unix_ms() - 25 * 3_600_000;
    // Its hold is still there: nobody could settle it otherwise.
    let request = RequestId::fresh();
    let hold = Reservation {
        request: request.clone(),
        account: key.account.clone(),
        key: key.id.clone(),
        amount: MicroUsd(20),
        enough: MicroUsd(20),
        lifetime_ms: 3_600_000,
        budgets: Vec::new(),
        total_budget: None,
    };
    assert_eq!(world.store().reserve(&hold).await.unwrap(), Reserved::Held(MicroUsd(20)));
    let fact = Fact::Use(Use { request, ..fact });
    let late = EventV1 { at_ms, fact, ..used };
    world.bus().record(&late).await.unwrap();
    wait_until("billing has told of it", async || {
        world.billing_metrics(0).sum("fly_llm_ledger_late_total") >= 1.0
    })
    .await;
    assert_eq!(world.store().balance(&key.account).await.unwrap().held.0, 0);
    assert_eq!(world.balance(&key).await, before);
    let history = world.bus().account_history(&key.account).await.unwrap();
    assert_eq!(history.tally().balance().0, before);
    assert_eq!(history.entries.iter().filter(|entry| entry.late.is_some()).count(), 1);
    // It stands where it came: nothing is dropped.
    assert!(world.bus().recorded(&late.subject()).await.unwrap().is_some());
    world.finish().await;
}
