//! The look for a kept answer and the reservation in one round trip, on a real redis-server: credit
//! is held only by who has to ask, and what a request had is given back with its kept answer.

use crate::view::{LEASE_MS, LONG, View, looking};
use infra::store::answers::{Leading, Look, Tenant};
use infra::store::enter::{Entered, Entering};
use infra::store::holds::{Reservation, Reserved, Sought};
use infra::store::keep::{Keeping, Similar};
use infra::store::limits::{Admission, Rates, Refusal};
use schemas::ids::RequestId;
use schemas::money::MicroUsd;
use std::time::Duration;

impl View {
    /// Against a budget of everybody's.
    fn wanted_of_all(&self, request: &RequestId, amount: i64) -> Reservation {
        Reservation { total_budget: Some(MicroUsd(100)), ..self.wanted(request, amount) }
    }

    async fn seek(&self, digest: &str, request: &RequestId, amount: i64) -> Sought {
        let (tenant, wanted) = (self.tenant(), self.wanted_of_all(request, amount));
        let looking = Some((&tenant, looking(digest, request)));
        let entering = Entering { admission: None, looking, wanted: &wanted };
        let entered = self.store.enter(entering).await.unwrap();
        let Entered::Passed(None, sought) = entered else { unreachable!("{entered:?}") };
        sought
    }

    /// The same with the limits, which let one request pass at once.
    async fn enter(&self, digest: &str, request: &RequestId, amount: i64) -> Entered {
        let (admission, wanted) = (self.one_at_once(request), self.wanted_of_all(request, amount));
        let tenant = self.tenant();
        let looking = Some((&tenant, looking(digest, request)));
        let (admission, wanted) = (Some(&admission), &wanted);
        self.store.enter(Entering { admission, looking, wanted }).await.unwrap()
    }

    async fn held(&self) -> MicroUsd {
        MicroUsd(self.stands().await.1)
    }

    /// A request of a key and an account that both let one pass at once.
    fn one_at_once(&self, request: &RequestId) -> Admission {
        let rates = Rates { requests_max: 1_000, tokens_max: 1_000, parallel_max: 1 };
        Admission { of_account: Some(rates), ..self.admission(request, rates) }
    }

    async fn admit(&self, request: &RequestId) -> Option<Refusal> {
        let admission = self.one_at_once(request);
        self.store.admit(&admission).await.unwrap().refusal.map(|(limit, _)| limit)
    }
}

#[tokio::test]
async fn who_is_refused_by_the_limits_neither_leads_nor_holds() {
    let view = View::with_credit(10).await;
    let (first, second) = (RequestId::fresh(), RequestId::fresh());
    let entered = view.enter("d", &first, 4).await;
    let held = Sought::Lead(Reserved::Held(MicroUsd(4)));
    assert!(
        matches!(&entered, Entered::Passed(Some(standing), sought)
        if standing.requests_left == 999 && *sought == held),
        "{entered:?}"
    );
    let entered = view.enter("e", &second, 4).await;
    assert!(
        matches!(entered, Entered::Refused(standing)
        if standing.refusal.unwrap().0 == Refusal::Parallel),
        "{entered:?}"
    );
    assert_eq!(view.held().await, MicroUsd(4));
    view.store.leave(&view.account, &view.key, &first).await.unwrap();
    let entered = view.enter("e", &second, 7).await;
    let left = Sought::Lead(Reserved::Insufficient(MicroUsd(6)));
    assert!(matches!(&entered, Entered::Passed(_, sought) if *sought == left), "{entered:?}");
    view.store.leave(&view.account, &view.key, &second).await.unwrap();
    let third = RequestId::fresh();
    let entered = view.enter("d", &third, 4).await;
    let follow = Sought::Known(Look::Follow(first.to_string()));
    assert!(
        matches!(&entered, Entered::Passed(Some(standing), sought)
        if standing.requests_left == 997 && *sought == follow),
        "{entered:?}"
    );
    assert_eq!(view.held().await, MicroUsd(4), "who follows holds nothing");
    view.stop().await;
}

#[tokio::test]
async fn what_is_kept_and_of_another_kind_is_asked_for_anew() {
    let view = View::with_credit(10).await;
    let (first, second) = (RequestId::fresh(), RequestId::fresh());
    let another_kind = infra::store::keys::answer(&view.tenant(), "d");
    view.ask::<i64>(&["RPUSH", &another_kind, "x"]).await;
    assert_eq!(view.seek("d", &first, 4).await, Sought::Lead(Reserved::Held(MicroUsd(4))));
    let follow = Sought::Known(Look::Follow(first.to_string()));
    assert_eq!(view.seek("d", &second, 4).await, follow);
    view.stop().await;
}

#[tokio::test]
async fn only_who_has_to_ask_holds_credit() {
    let view = View::with_credit(10).await;
    let (first, second, third) = (RequestId::fresh(), RequestId::fresh(), RequestId::fresh());
    assert_eq!(view.seek("d", &first, 4).await, Sought::Lead(Reserved::Held(MicroUsd(4))));
    let follow = Sought::Known(Look::Follow(first.to_string()));
    assert_eq!(view.seek("d", &second, 4).await, follow);
    assert_eq!(view.held().await, MicroUsd(4), "who follows holds nothing");
    let too_much = view.seek("e", &third, 7).await;
    assert_eq!(too_much, Sought::Lead(Reserved::Insufficient(MicroUsd(6))));
    assert_eq!(view.held().await, MicroUsd(4));

    let tenant = view.tenant();
    let leading = |digest, request| Leading { tenant: &tenant, digest, request };
    let all = [leading("d", &first), leading("d", &second), leading("e", &third)];
    assert_eq!(view.store.lead_on(&all, LEASE_MS).await.unwrap(), [true, false, true]);
    assert_eq!(view.store.lead_on(&all, 0).await.unwrap(), [true, false, true]);
    assert_eq!(view.store.lead_on(&all, LEASE_MS).await.unwrap(), [false; 3]);
    assert_eq!(view.seek("d", &second, 4).await, Sought::Lead(Reserved::Held(MicroUsd(4))));
    view.stop().await;
}

fn keeping<'a>(view: &'a View, tenant: &'a Tenant, request: &'a RequestId) -> Keeping<'a> {
    Keeping {
        tenant,
        digest: "d",
        request,
        answer: b"answer",
        ttl_seconds: 300,
        tenant_bytes_max: 1_000,
        similar: None,
        place: Some((&view.account, &view.key)),
    }
}

#[tokio::test]
async fn a_kept_answer_gives_back_what_its_request_had() {
    let view = View::with_credit(10).await;
    let tenant = view.tenant();
    let (first, second) = (RequestId::fresh(), RequestId::fresh());
    assert_eq!(view.admit(&first).await, None);
    assert_eq!(view.admit(&second).await, Some(Refusal::Parallel));
    view.seek("d", &first, 4).await;
    // Redis may have forgotten the script at any time.
    view.ask::<()>(&["SCRIPT", "FLUSH"]).await;
    let kept = view.store.keep_answer(keeping(&view, &tenant, &first)).await;
    assert_eq!(kept.unwrap(), 0);
    assert_eq!(view.admit(&second).await, None, "the place is free");
    let kept = Sought::Known(Look::Kept(b"answer".to_vec()));
    assert_eq!(view.seek("d", &second, 4).await, kept);
    assert_eq!(view.held().await, MicroUsd(4), "the first alone holds");
    view.stop().await;
}

#[tokio::test]
async fn what_is_not_kept_gives_back_too() {
    let view = View::with_credit(10).await;
    let tenant = view.tenant();
    let (first, second) = (RequestId::fresh(), RequestId::fresh());
    assert_eq!(view.admit(&first).await, None);
    view.seek("d", &first, 4).await;
    let too_large = Keeping { tenant_bytes_max: 5, ..keeping(&view, &tenant, &first) };
    assert_eq!(view.store.keep_answer(too_large).await.unwrap(), 0);
    assert_eq!(view.admit(&second).await, None, "the place is free");
    assert_eq!(view.seek("d", &second, 1).await, Sought::Lead(Reserved::Held(MicroUsd(1))));
    // Without its place among wordings it fits.
    let similar = Some(Similar { digest: "s", vector: &[7; 1_000] });
    let wordy = Keeping { similar, ..keeping(&view, &tenant, &second) };
    assert_eq!(view.store.keep_answer(wordy).await.unwrap(), 0);
    let found = view.store.look_for_similar(&view.tenant(), "s", LONG, |_| Some(1.0)).await;
    assert_eq!(found.unwrap(), None);
    let kept = Sought::Known(Look::Kept(b"answer".to_vec()));
    assert_eq!(view.seek("d", &RequestId::fresh(), 1).await, kept);
    view.stop().await;
}

/// Of an answer that no index knows a tenant could not be rid.
#[tokio::test]
async fn an_answer_that_no_index_knows_is_not_kept() {
    let view = View::with_credit(10).await;
    let tenant = view.tenant();
    let (first, second) = (RequestId::fresh(), RequestId::fresh());
    view.seek("d", &first, 4).await;
    let index = infra::store::keys::answers(&view.tenant());
    view.ask::<()>(&["SET", &index, "spoiled"]).await;
    let kept = view.store.keep_answer(keeping(&view, &tenant, &first)).await;
    kept.unwrap_err();
    assert_eq!(view.seek("d", &second, 4).await, Sought::Lead(Reserved::Held(MicroUsd(4))));
    view.stop().await;
}

/// It stands where the answer will stand.
#[tokio::test]
async fn a_lead_is_no_answer_and_ends_with_any() {
    let view = View::with_credit(10).await;
    let tenant = view.tenant();
    let (first, second) = (RequestId::fresh(), RequestId::fresh());
    let similar = Some(Similar { digest: "s", vector: b"v" });
    let keeping = |request| Keeping { similar, place: None, ..keeping(&view, &tenant, request) };
    view.store.keep_answer(keeping(&first)).await.unwrap();
    let near = async || view.store.look_for_similar(&tenant, "s", LONG, |_| Some(1.0)).await;
    assert_eq!(near().await.unwrap(), Some((b"answer".to_vec(), 1.0)));
    // The answer has ended, and somebody asks anew, twice: its own lead stops nobody.
    let name = infra::store::keys::answer(&tenant, "d");
    view.ask::<i64>(&["DEL", &name]).await;
    for _ in 0..2 {
        let sought = view.seek("d", &first, 4).await;
        assert_eq!(sought, Sought::Lead(Reserved::Held(MicroUsd(4))));
    }
    assert_eq!(near().await.unwrap(), None);
    assert!(view.ask::<u64>(&["PTTL", &name]).await <= LEASE_MS);
    assert_eq!(view.store.forget_answers(&tenant).await.unwrap(), 0);
    let leading = Leading { tenant: &tenant, digest: "d", request: &first };
    assert_eq!(view.store.lead_on(&[leading], LEASE_MS).await.unwrap(), [true]);
    // Who wanted no kept answer has one of its own, which all others find.
    view.store.keep_answer(keeping(&second)).await.unwrap();
    assert_eq!(view.store.lead_on(&[leading], LEASE_MS).await.unwrap(), [false]);
    assert_eq!(view.store.lead_on(&[leading], 0).await.unwrap(), [false]);
    let kept = Sought::Known(Look::Kept(b"answer".to_vec()));
    assert_eq!(view.seek("d", &RequestId::fresh(), 1).await, kept);
    assert!(view.ask::<u64>(&["PTTL", &name]).await > LEASE_MS);
    view.stop().await;
}

/// What has ended by itself leaves the index, and not who asks for it anew.
#[tokio::test]
async fn a_lead_outlives_the_answer_before_it() {
    let view = View::with_credit(10).await;
    let (tenant, first) = (view.tenant(), RequestId::fresh());
    let long =
        Keeping { place: None, tenant_bytes_max: 1 << 20, ..keeping(&view, &tenant, &first) };
    view.store.keep_answer(Keeping { digest: "other", ..long }).await.unwrap();
    view.store.keep_answer(Keeping { ttl_seconds: 1, ..long }).await.unwrap();
    let name = infra::store::keys::answer(&tenant, "d");
    while view.ask::<u64>(&["EXISTS", &name]).await == 1 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(view.seek("d", &first, 4).await, Sought::Lead(Reserved::Held(MicroUsd(4))));
    // The index is looked through now and then.
    let index = infra::store::keys::answers(&tenant);
    while view.ask::<Option<String>>(&["ZSCORE", &index, "d"]).await.is_some() {
        view.store.keep_answer(Keeping { digest: "other", ..long }).await.unwrap();
    }
    let leading = Leading { tenant: &tenant, digest: "d", request: &first };
    assert_eq!(view.store.lead_on(&[leading], LEASE_MS).await.unwrap(), [true]);
    view.stop().await;
}

/// Sums beyond what Lua's numbers can tell exactly.
#[tokio::test]
async fn large_sums_stay_exact() {
    let view = View::with_credit(10).await;
    let grants = [9_007_199_254_740_993, 1, -9_007_199_254_740_990];
    for (sequence, amount) in (2..).zip(grants) {
        view.apply(sequence - 1, &[view.grant(sequence, amount)]).await;
    }
    assert_eq!(view.stands().await.0, 14);
    view.stop().await;
}
