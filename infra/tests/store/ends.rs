//! What a view knows of requests that have ended, on a real redis-server: for a while nothing can
//! be held for them, and what is held later comes back.

use crate::view::View;
use infra::bus::ledger::Entry;
use infra::store::apply::Applied;
use infra::store::holds::{ExpiredHold, Reserved};
use infra::store::keys;
use schemas::ids::RequestId;
use schemas::money::MicroUsd;

/// As long as the longest request, in seconds.
const REMEMBERED_SECONDS_MAX: i64 = 900;

impl View {
    fn hold(&self, request: &RequestId) -> ExpiredHold {
        let (request, account, key) = (request.clone(), self.account.clone(), self.key.clone());
        ExpiredHold { request, account, key }
    }

    /// For how many seconds a request's end is remembered; -2 when it isn't.
    async fn remembered_seconds(&self, request: &RequestId) -> i64 {
        self.ask(&["TTL", &keys::hold(&self.account, request)]).await
    }
}

/// The same end, of long ago.
fn aged(mut end: Entry) -> Entry {
    end.event.as_mut().unwrap().at_ms = 1;
    end
}

#[tokio::test]
async fn an_end_is_remembered_for_as_long_as_a_request_may_take() {
    let view = View::with_credit(100).await;
    let [held, never] = [RequestId::fresh(), RequestId::fresh()];
    assert_eq!(view.reserve(&held, 40).await, Reserved::Held(MicroUsd(40)));
    let ends = [view.void(2, &held), view.void(3, &never)];
    assert_eq!(view.apply(1, &ends).await, Applied::At(3));
    for request in [held, never] {
        let seconds = view.remembered_seconds(&request).await;
        assert!((1..=REMEMBERED_SECONDS_MAX).contains(&seconds), "{seconds}");
        assert_eq!(view.reserve(&request, 1).await, Reserved::Settled);
    }
    assert_eq!(view.stands().await, (100, 0));
    view.stop().await;
}

/// As when a view is made anew from a ledger of many months.
#[tokio::test]
async fn an_end_of_long_ago_gives_back_and_is_not_remembered() {
    let view = View::with_credit(100).await;
    let [held, never] = [RequestId::fresh(), RequestId::fresh()];
    assert_eq!(view.reserve(&held, 40).await, Reserved::Held(MicroUsd(40)));
    let ends = [aged(view.void(2, &held)), aged(view.void(3, &never))];
    assert_eq!(view.apply(1, &ends).await, Applied::At(3));
    assert_eq!(view.stands().await, (100, 0));
    assert_eq!(view.reserve(&held, 1).await, Reserved::Settled);
    assert_eq!(view.remembered_seconds(&never).await, -2);
    view.stop().await;
}

#[tokio::test]
async fn what_is_held_after_the_end_was_forgotten_comes_back_once() {
    let view = View::with_credit(100).await;
    let [late, running] = [RequestId::fresh(), RequestId::fresh()];
    for amount in [40, 0] {
        assert_eq!(view.apply(1, &[aged(view.void(2, &late))]).await, Applied::At(2));
        assert_eq!(view.reserve(&late, amount).await, Reserved::Held(MicroUsd(amount)));
        assert_eq!(view.reserve(&running, 7).await, Reserved::Held(MicroUsd(7)));
        let hold = view.hold(&late);
        // An end that the view doesn't have yet gives it back when it is applied.
        assert!(!view.store.return_hold(&hold, 3).await.unwrap());
        assert_eq!(view.stands().await, (100, amount + 7));
        assert!(view.store.return_hold(&hold, 2).await.unwrap());
        assert!(!view.store.return_hold(&hold, 2).await.unwrap());
        assert_eq!(view.stands().await, (100, 7));
        assert_eq!(view.store.open_holds().await.unwrap(), 1);
        assert_eq!(view.reserve(&late, 1).await, Reserved::Settled);
        let seconds = view.remembered_seconds(&late).await;
        assert!((1..=REMEMBERED_SECONDS_MAX).contains(&seconds), "{seconds}");
        let name = keys::hold(&view.account, &late);
        assert_eq!(view.ask::<i64>(&["DEL", &name]).await, 1);
    }
    view.stop().await;
}
