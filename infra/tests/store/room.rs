//! Kept answers give way before Redis is full: credit is held and charged as long as it can be.

use crate::view::{LEASE_MS, View, looking};
use infra::store::StoreError;
use infra::store::answers::{Look, Tenant};
use infra::store::holds::Reserved;
use infra::store::keep::Keeping;
use infra::store::keys;
use infra::store::together::Together;
use infra::tasks::Tasks;
use schemas::ids::{AccountId, RequestId};
use std::time::{Duration, Instant};

/// Far longer than anything here takes.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// Kept answers of a tenant, and how large each is.
const ANSWERS: usize = 400;
const ANSWER_BYTES: usize = 20_000;

fn keeping<'a>(
    tenant: &'a Tenant,
    digest: &'a str,
    request: &'a RequestId,
    answer: &'a [u8],
) -> Keeping<'a> {
    let (ttl_seconds, tenant_bytes_max) = (300, 2 * ANSWERS * ANSWER_BYTES);
    Keeping {
        tenant,
        digest,
        request,
        answer,
        ttl_seconds,
        tenant_bytes_max,
        similar: None,
        place: None,
    }
}

impl View {
    async fn used_bytes(&self) -> usize {
        let told: String = self.ask(&["INFO", "memory"]).await;
        let used = told.lines().find_map(|line| line.strip_prefix("used_memory:"));
        used.unwrap().trim().parse().unwrap()
    }

    async fn set_memory_max(&self, bytes: usize) {
        self.ask::<()>(&["CONFIG", "SET", "maxmemory", &bytes.to_string()]).await;
    }

    async fn fill(&self, tenant: &Tenant) {
        let (answer, request) = (vec![b'a'; ANSWER_BYTES], RequestId::fresh());
        for number in 0..ANSWERS {
            let digest = number.to_string();
            let keeping = keeping(tenant, &digest, &request, &answer);
            self.store.keep_answer(keeping).await.unwrap();
        }
    }

    async fn has_answers(&self, tenant: &Tenant) -> bool {
        self.ask::<usize>(&["EXISTS", &keys::answers(tenant)]).await == 1
    }
}

#[tokio::test]
async fn kept_answers_of_all_tenants_go_before_credit_is_refused() {
    let view = View::with_credit(1_000).await;
    let tenants = [view.tenant(), Tenant::Group(AccountId::parse("family").unwrap())];
    for tenant in &tenants {
        view.fill(tenant).await;
    }
    // Full, by more than Redis itself may give back (buffers of its connections are counted, too):
    // nothing may be written any more.
    view.set_memory_max(view.used_bytes().await * 80 / 100).await;
    let wanted = view.wanted(&RequestId::fresh(), 10);
    let refused = view.store.reserve(&wanted).await;
    assert!(refused.as_ref().is_err_and(StoreError::is_refusal), "{refused:?}");

    let tasks = Tasks::new();
    let together = Together::start(&view.store, &tasks);
    let start = Instant::now();
    let reserved = loop {
        match view.store.reserve(&wanted).await {
            Ok(reserved) => break reserved,
            Err(error) => assert!(error.is_refusal() && start.elapsed() < WAIT_MAX, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(matches!(reserved, Reserved::Held(_)), "{reserved:?}");
    while view.has_answers(&tenants[0]).await || view.has_answers(&tenants[1]).await {
        assert!(start.elapsed() < WAIT_MAX, "kept answers stay");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for tenant in &tenants {
        let lists = [keys::answer_sizes(tenant), keys::similars(tenant)];
        assert_eq!(view.ask::<usize>(&["EXISTS", &lists[0], &lists[1]]).await, 0);
    }
    assert!(view.used_bytes().await < 2 * ANSWERS * ANSWER_BYTES / 2);

    // There is room again, and answers are kept.
    let (request, answer) = (RequestId::fresh(), b"an answer");
    loop {
        let keeping = keeping(&tenants[0], "again", &request, answer);
        together.keep_answer(keeping).await.unwrap();
        if view.has_answers(&tenants[0]).await {
            break;
        }
        assert!(start.elapsed() < WAIT_MAX, "no answer is kept");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    view.stop().await;
}

#[tokio::test]
async fn a_redis_that_is_nearly_full_keeps_no_further_answer_and_forgets_none() {
    let view = View::with_credit(1_000).await;
    let tenant = view.tenant();
    view.fill(&tenant).await;
    view.set_memory_max(view.used_bytes().await * 100 / 85).await;
    let together = Together::start(&view.store, &Tasks::new());
    let start = Instant::now();
    // It leads, and leads no more once its answer would have been kept.
    for number in 0.. {
        let (digest, request) = (["new", &number.to_string()].concat(), RequestId::fresh());
        let lead = view.store.look_for_answer(&tenant, looking(&digest, &request)).await.unwrap();
        assert_eq!(lead, Look::Lead);
        together.keep_answer(keeping(&tenant, &digest, &request, b"answer")).await.unwrap();
        let name = keys::answer(&tenant, &digest);
        if view.ask::<usize>(&["EXISTS", &name]).await == 0 {
            break;
        }
        assert!(start.elapsed() < WAIT_MAX, "answers are kept in a full Redis");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Well before its lease ended: the lead was given back.
    assert!(start.elapsed() < Duration::from_millis(LEASE_MS));
    assert!(view.ask::<usize>(&["ZCARD", &keys::answers(&tenant)]).await >= ANSWERS);
    view.stop().await;
}
