//! Batches of ledger events on a real redis-server: however they are added up, a view holds what
//! the events say one by one, exactly, and every hold of theirs is given back once.

use crate::view::View;
use infra::bus::ledger::Entry;
use infra::store::apply::Applied;
use infra::store::holds::Reserved;
use schemas::ids::RequestId;
use schemas::money::MicroUsd;

/// Beyond it a double doesn't tell whole numbers apart.
const EXACT_MAX: i64 = 1 << 53;

/// The sum passes what Lua tells exactly, and what Redis counts with, on its way.
#[tokio::test]
async fn a_sum_is_exact_whatever_it_passes_on_its_way() {
    let view = View::start().await;
    let amounts = [i64::MAX, 5, EXACT_MAX + 1, -i64::MAX, -(EXACT_MAX - 8)];
    let entries: Vec<Entry> =
        (1..).zip(amounts).map(|(sequence, amount)| view.grant(sequence, amount)).collect();
    assert_eq!(view.apply(0, &entries).await, Applied::At(5));
    assert_eq!(view.stands().await, (14, 0));
    // What is there is beyond it, and what comes brings it back.
    assert_eq!(view.apply(5, &[view.grant(6, EXACT_MAX)]).await, Applied::At(6));
    assert_eq!(view.apply(6, &[view.grant(7, 3)]).await, Applied::At(7));
    assert_eq!(view.apply(7, &[view.grant(8, -EXACT_MAX)]).await, Applied::At(8));
    assert_eq!(view.stands().await, (17, 0));
    view.stop().await;
}

#[tokio::test]
async fn a_batch_gives_back_what_its_requests_held_once() {
    let view = View::start().await;
    let amounts = [1, 100_000_000_000_001, EXACT_MAX - 1, EXACT_MAX, 0];
    view.apply(0, &[view.grant(1, 4 * EXACT_MAX)]).await;
    assert!(view.store.go_live(view.part(), 1).await.unwrap());
    let requests: Vec<RequestId> = amounts.iter().map(|_| RequestId::fresh()).collect();
    for (request, amount) in requests.iter().zip(amounts) {
        assert_eq!(view.reserve(request, amount).await, Reserved::Held(MicroUsd(amount)));
    }
    assert_eq!(view.stands().await, (4 * EXACT_MAX, amounts.iter().sum()));
    assert_eq!(view.store.open_holds().await.unwrap(), 5);
    // Another that never held anything, and one that is told of twice.
    let never = RequestId::fresh();
    let told = requests.iter().chain([&never, &requests[0]]);
    let entries: Vec<Entry> =
        (2..).zip(told).map(|(sequence, request)| view.void(sequence, request)).collect();
    assert_eq!(view.apply(1, &entries).await, Applied::At(8));
    assert_eq!(view.stands().await, (4 * EXACT_MAX, 0));
    assert_eq!(view.store.open_holds().await.unwrap(), 0);
    for request in requests.iter().chain([&never]) {
        assert_eq!(view.reserve(request, 1).await, Reserved::Settled);
    }
    // A worker that overlaps finds them ended.
    assert_eq!(view.apply(1, &entries).await, Applied::At(8));
    let last = [view.void(8, &requests[0]), view.void(9, &requests[1]), view.grant(10, 1)];
    assert_eq!(view.apply(7, &last).await, Applied::At(10));
    assert_eq!(view.stands().await, (4 * EXACT_MAX + 1, 0));
    let rows = view.store.requests(&view.account).await.unwrap();
    assert_eq!(rows.len(), 6, "each once, by its last end");
    view.stop().await;
}
