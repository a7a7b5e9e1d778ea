//! The look for a kept answer and the reservation in one round trip, on a real redis-server: credit
//! is held only by who has to ask, and what a request had is given back with its kept answer.

#![expect(clippy::unwrap_used, reason = "a test ends by panicking")]

use infra::bus::ledger::Entry;
use infra::children::redis::RedisServer;
use infra::environment::Environment;
use infra::store::Store;
use infra::store::answers::{Keeping, Leading, Look, Looking, Similar, Tenant};
use infra::store::enter::Entered;
use infra::store::holds::{Reservation, Reserved, Sought};
use infra::store::limits::{Admission, Rates, Refusal};
use schemas::ids::{AccountId, KeyId, RequestId};
use schemas::ledger::{EventV1, Fact};
use schemas::money::MicroUsd;
use schemas::subjects;
use std::time::Duration;
use tempfile::TempDir;

const LEASE_MS: u64 = 60_000;

/// Far longer than any look takes.
const LONG: Duration = Duration::from_secs(30);

struct View {
    _folder: TempDir,
    server: RedisServer,
    store: Store,
    account: AccountId,
    key: KeyId,
}

impl View {
    /// An account with a credit of 10.
    async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let environment = Environment::of_process();
        let server = RedisServer::start(folder.path(), 0, &environment).await.unwrap();
        let store = Store::connect(server.url()).await.unwrap();
        let (account, key) = (AccountId::fresh(), KeyId::fresh());
        let fact = Fact::Grant { unique: "g".into(), note: String::new() };
        let gift = EventV1 { account: account.clone(), at_ms: 1, amount: MicroUsd(10), fact };
        let part = subjects::partition(&account);
        let entry = Entry { sequence: 1, event: Some(gift), late: None };
        store.apply(part, 0, 0, &[entry]).await.unwrap();
        assert!(store.go_live(part, 1).await.unwrap());
        Self { _folder: folder, server, store, account, key }
    }

    fn tenant(&self) -> Tenant {
        Tenant::Account(self.account.clone())
    }

    fn wanted(&self, request: &RequestId, amount: i64) -> Reservation {
        Reservation {
            request: request.clone(),
            account: self.account.clone(),
            key: self.key.clone(),
            amount: MicroUsd(amount),
            enough: MicroUsd(amount),
            lifetime_ms: LEASE_MS,
            budgets: Vec::new(),
            total_budget: Some(MicroUsd(100)),
        }
    }

    async fn seek(&self, digest: &str, request: &RequestId, amount: i64) -> Sought {
        let wanted = self.wanted(request, amount);
        self.store.seek(&self.tenant(), looking(digest, request), &wanted).await.unwrap()
    }

    /// The same with the limits, which let one request pass at once.
    async fn enter(&self, digest: &str, request: &RequestId, amount: i64) -> Entered {
        let (admission, wanted) = (self.admission(request), self.wanted(request, amount));
        let looking = looking(digest, request);
        self.store.enter(&admission, &self.tenant(), looking, &wanted).await.unwrap()
    }

    async fn ask(&self, command: &redis::Cmd) {
        let client = redis::Client::open(self.server.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        command.exec_async(&mut connection).await.unwrap();
    }

    async fn held(&self) -> MicroUsd {
        self.store.balance(&self.account).await.unwrap().held
    }

    fn admission(&self, request: &RequestId) -> Admission {
        let rates = Rates { requests_max: 1_000, tokens_max: 1_000, parallel_max: 1 };
        Admission {
            request: request.clone(),
            account: self.account.clone(),
            key: self.key.clone(),
            tokens: 1,
            lease_ms: LEASE_MS,
            of_key: rates,
            of_account: Some(rates),
        }
    }

    async fn admit(&self, request: &RequestId) -> Option<Refusal> {
        let admission = self.admission(request);
        self.store.admit(&admission).await.unwrap().refusal.map(|(limit, _)| limit)
    }
}

fn looking<'a>(digest: &'a str, request: &'a RequestId) -> Looking<'a> {
    Looking { digest, request, lease_ms: LEASE_MS, time_max: LONG }
}

#[tokio::test]
async fn who_is_refused_by_the_limits_neither_leads_nor_holds() {
    let mut view = View::start().await;
    let (first, second) = (RequestId::fresh(), RequestId::fresh());
    let entered = view.enter("d", &first, 4).await;
    let held = Sought::Lead(Reserved::Held(MicroUsd(4)));
    assert!(
        matches!(&entered, Entered::Passed(standing, sought)
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
        matches!(&entered, Entered::Passed(standing, sought)
        if standing.requests_left == 997 && *sought == follow),
        "{entered:?}"
    );
    assert_eq!(view.held().await, MicroUsd(4), "who follows holds nothing");
    view.server.stop(Duration::from_secs(10)).await;
}

#[tokio::test]
async fn what_is_kept_and_spoiled_stops_nobody_at_the_limits() {
    let mut view = View::start().await;
    let first = RequestId::fresh();
    let spoiled = infra::store::keys::answer(&view.tenant(), "d");
    view.ask(redis::cmd("RPUSH").arg(spoiled).arg("x")).await;
    let entered = view.enter("d", &first, 4).await;
    assert!(matches!(entered, Entered::Spoiled(standing) if standing.requests_left == 999));
    assert_eq!(view.held().await, MicroUsd::ZERO);
    assert_eq!(view.admit(&RequestId::fresh()).await, Some(Refusal::Parallel), "it has passed");
    view.server.stop(Duration::from_secs(10)).await;
}

#[tokio::test]
async fn only_who_has_to_ask_holds_credit() {
    let mut view = View::start().await;
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
    view.server.stop(Duration::from_secs(10)).await;
}

fn keeping<'a>(view: &'a View, request: &'a RequestId) -> Keeping<'a> {
    Keeping {
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
    let mut view = View::start().await;
    let (first, second) = (RequestId::fresh(), RequestId::fresh());
    assert_eq!(view.admit(&first).await, None);
    assert_eq!(view.admit(&second).await, Some(Refusal::Parallel));
    view.seek("d", &first, 4).await;
    // Redis may have forgotten the script at any time.
    view.ask(redis::cmd("SCRIPT").arg("FLUSH")).await;
    let kept = view.store.keep_answer(&view.tenant(), keeping(&view, &first)).await;
    assert_eq!(kept.unwrap(), 0);
    assert_eq!(view.admit(&second).await, None, "the place is free");
    let kept = Sought::Known(Look::Kept(b"answer".to_vec()));
    assert_eq!(view.seek("d", &second, 4).await, kept);
    assert_eq!(view.held().await, MicroUsd(4), "the first alone holds");
    view.server.stop(Duration::from_secs(10)).await;
}

#[tokio::test]
async fn what_is_not_kept_gives_back_too() {
    let mut view = View::start().await;
    let (first, second) = (RequestId::fresh(), RequestId::fresh());
    assert_eq!(view.admit(&first).await, None);
    view.seek("d", &first, 4).await;
    let too_large = Keeping { tenant_bytes_max: 5, ..keeping(&view, &first) };
    assert_eq!(view.store.keep_answer(&view.tenant(), too_large).await.unwrap(), 0);
    assert_eq!(view.admit(&second).await, None, "the place is free");
    assert_eq!(view.seek("d", &second, 1).await, Sought::Lead(Reserved::Held(MicroUsd(1))));
    // Without its place among wordings it fits.
    let similar = Some(Similar { digest: "s", vector: &[7; 1_000] });
    let wordy = Keeping { similar, ..keeping(&view, &second) };
    assert_eq!(view.store.keep_answer(&view.tenant(), wordy).await.unwrap(), 0);
    let found = view.store.look_for_similar(&view.tenant(), "s", LONG, |_| Some(1.0)).await;
    assert_eq!(found.unwrap(), None);
    let kept = Sought::Known(Look::Kept(b"answer".to_vec()));
    assert_eq!(view.seek("d", &RequestId::fresh(), 1).await, kept);
    view.server.stop(Duration::from_secs(10)).await;
}

/// Of an answer that no index knows a tenant could not be rid.
#[tokio::test]
async fn an_answer_that_no_index_knows_is_not_kept() {
    let mut view = View::start().await;
    let (first, second) = (RequestId::fresh(), RequestId::fresh());
    view.seek("d", &first, 4).await;
    let index = infra::store::keys::answers(&view.tenant());
    view.ask(redis::cmd("SET").arg(index).arg("spoiled")).await;
    let kept = view.store.keep_answer(&view.tenant(), keeping(&view, &first)).await;
    kept.unwrap_err();
    assert_eq!(view.seek("d", &second, 4).await, Sought::Lead(Reserved::Held(MicroUsd(4))));
    view.server.stop(Duration::from_secs(10)).await;
}

/// Sums beyond what Lua's numbers can tell exactly.
#[tokio::test]
async fn large_sums_stay_exact() {
    let mut view = View::start().await;
    let part = subjects::partition(&view.account);
    let grants = [9_007_199_254_740_993, 1, -9_007_199_254_740_990];
    for (sequence, amount) in (2..).zip(grants) {
        let fact = Fact::Grant { unique: sequence.to_string(), note: String::new() };
        let (account, amount) = (view.account.clone(), MicroUsd(amount));
        let event = Some(EventV1 { account, at_ms: 1, amount, fact });
        let entry = Entry { sequence, event, late: None };
        view.store.apply(part, sequence - 1, 0, &[entry]).await.unwrap();
    }
    assert_eq!(view.store.balance(&view.account).await.unwrap().balance, MicroUsd(14));
    view.server.stop(Duration::from_secs(10)).await;
}
