//! Redis's clock goes back by an hour, on a real redis-server: what it keeps with a moment in it
//! lies an hour in the future then, which is written here by hand. Nothing may stay for that hour.

use crate::view::{LEASE_MS, View, looking};
use infra::store::holds::{OpenHold, Reservation, Reserved};
use infra::store::keys;
use infra::store::limits::{Admission, Rates, Refusal};
use infra::store::once::{Beginning, Once, OnceName};
use schemas::ids::RequestId;
use schemas::money::MicroUsd;
use std::time::Duration;

const HOUR_MS: u64 = 3_600_000;

impl View {
    /// Adds the hour to the end that a request has in a set.
    async fn later(&self, set: &str, request: &str) {
        let by = HOUR_MS.to_string();
        self.ask::<f64>(&["ZINCRBY", set, &by, request]).await;
    }

    /// Whether a request's end in a set is no later than a lease from now.
    async fn ends_in_time(&self, set: &str, request: &str) -> bool {
        let ends: f64 = self.ask(&["ZSCORE", set, request]).await;
        ends <= (self.store.clock_ms().await.unwrap() + LEASE_MS) as f64
    }
}

fn admission(view: &View, requests_max: u64, parallel_max: u64) -> Admission {
    let rates = Rates { requests_max, tokens_max: 1_000_000, parallel_max };
    view.admission(&RequestId::fresh(), rates)
}

#[tokio::test]
async fn places_and_rates_are_given_back_in_their_time() {
    let view = View::start().await;
    let (rate, parallel) =
        (keys::rate(&view.account, &view.key), keys::parallel(&view.account, &view.key));
    let first = admission(&view, 1_000, 1);
    assert_eq!(view.store.admit(&first).await.unwrap().refusal, None);
    view.later(&parallel, first.request.as_str()).await;
    let refused = view.store.admit(&admission(&view, 1_000, 1)).await.unwrap();
    assert_eq!(refused.refusal.map(|(limit, _)| limit), Some(Refusal::Parallel));
    assert!(view.ends_in_time(&parallel, first.request.as_str()).await);
    // A bucket that is empty fills again, from now on.
    let by = HOUR_MS.to_string();
    view.ask::<f64>(&["HINCRBYFLOAT", &rate, "at", &by]).await;
    view.ask::<i64>(&["HSET", &rate, "requests", "0"]).await;
    let refused = view.store.admit(&admission(&view, 6_000, 9)).await.unwrap();
    assert_eq!(refused.refusal.map(|(limit, _)| limit), Some(Refusal::Requests));
    let fills = async {
        while view.store.admit(&admission(&view, 6_000, 9)).await.unwrap().refusal.is_some() {}
    };
    tokio::time::timeout(Duration::from_secs(30), fills).await.unwrap();
    view.stop().await;
}

#[tokio::test]
async fn a_hold_that_nobody_settles_ends_in_its_time() {
    let view = View::with_credit(100).await;
    let part = view.part();
    let mut requests = Vec::new();
    for lifetime_ms in [LEASE_MS / 2, LEASE_MS] {
        let wanted = Reservation { lifetime_ms, ..view.wanted(&RequestId::fresh(), 1) };
        assert_eq!(view.store.reserve(&wanted).await.unwrap(), Reserved::Held(MicroUsd(1)));
        view.later(&keys::holds(part), wanted.request.as_str()).await;
        requests.push(wanted.request);
    }
    assert_eq!(view.store.expired_holds(part).await.unwrap(), []);
    for request in requests {
        assert!(view.ends_in_time(&keys::holds(part), request.as_str()).await);
    }
    view.stop().await;
}

#[tokio::test]
async fn forgotten_holds_come_back_each_with_its_own_life() {
    let view = View::with_credit(100).await;
    let part = view.part();
    let lives = [LEASE_MS / 2, LEASE_MS];
    let open = lives.map(|lifetime_ms| OpenHold {
        request: RequestId::fresh(),
        account: view.account.clone(),
        key: view.key.clone(),
        amount: "1".into(),
        lifetime_ms,
    });
    let before_ms = view.store.clock_ms().await.unwrap();
    assert_eq!(view.store.renew_holds(part, &open).await.unwrap(), 2);
    assert_eq!(view.store.renew_holds(part, &open).await.unwrap(), 0, "they are there");
    let after_ms = view.store.clock_ms().await.unwrap();
    for hold in &open {
        let request = hold.request.as_str();
        let ends: f64 = view.ask(&["ZSCORE", &keys::holds(part), request]).await;
        let life = before_ms + hold.lifetime_ms..=after_ms + hold.lifetime_ms;
        assert!(life.contains(&(ends as u64)), "{ends} is not in {life:?}");
        view.later(&keys::holds(part), request).await;
    }
    // Each is known by its own life when Redis's clock goes back, too.
    assert_eq!(view.store.expired_holds(part).await.unwrap(), []);
    for hold in &open {
        assert!(view.ends_in_time(&keys::holds(part), hold.request.as_str()).await);
    }
    assert_eq!(view.stands().await, (100, 2));
    view.stop().await;
}

#[tokio::test]
async fn leads_of_gateways_that_are_gone_end_in_their_time() {
    let view = View::start().await;
    let (first, second) = (RequestId::fresh(), RequestId::fresh());
    let name = OnceName { account: view.account.clone(), name: "n".into() };
    let lease = Duration::from_millis(LEASE_MS);
    let begin = async |request| {
        let (lost, anew) = (None, false);
        let beginning = Beginning { body: "b", request, lease, lifetime: lease, lost, anew };
        view.store.begin_once(&name, beginning).await.unwrap()
    };
    assert_eq!(begin(&first).await, Once::Lead);
    let record = keys::once(&view.account, "n");
    let by = HOUR_MS.to_string();
    view.ask::<i64>(&["HINCRBY", &record, "lease", &by]).await;
    assert_eq!(begin(&second).await, Once::Running(first.to_string()));
    let ends: u64 = view.ask(&["HGET", &record, "lease"]).await;
    assert!(ends <= view.store.clock_ms().await.unwrap() + LEASE_MS);

    let tenant = view.tenant();
    let look = async |request| {
        view.store.look_for_answer(&tenant, looking("d", request)).await.unwrap();
    };
    look(&first).await;
    let leader = keys::answer(&tenant, "d");
    let later = (HOUR_MS + LEASE_MS).to_string();
    view.ask::<i64>(&["PEXPIRE", &leader, &later]).await;
    look(&second).await;
    assert!(view.ask::<u64>(&["PTTL", &leader]).await <= LEASE_MS);

    let running = keys::backgrounds(&view.account);
    assert!(view.store.begin_background(&view.account, "resp").await.unwrap());
    view.later(&running, "resp").await;
    assert!(view.store.runs_background(&view.account, "resp").await.unwrap());
    assert!(view.ends_in_time(&running, "resp").await);
    view.stop().await;
}
