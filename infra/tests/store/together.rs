//! What is asked for together is what comes of asking one by one: limits, credit, kept answers.
//! Here the first asks alone, and all that come before it hears an answer wait for the same call.

use crate::view::{LONG, View, looking};
use futures::future::join_all;
use infra::store::answers::{Look, Tenant};
use infra::store::enter::{Entered, Entering};
use infra::store::holds::{Budget, Reservation, Reserved, Sought};
use infra::store::keep::{Keeping, Similar};
use infra::store::keys;
use infra::store::limits::{Admission, Rates, Refusal};
use infra::store::spending::Spender;
use infra::store::together::Together;
use infra::tasks::Tasks;
use schemas::ids::{KeyId, RequestId};
use schemas::money::MicroUsd;
use std::time::{Duration, Instant};

/// More than are asked for in one call, and than two.
const REQUESTS: usize = 80;

const PLENTY: Rates = Rates { requests_max: 10_000, tokens_max: 10_000, parallel_max: 10_000 };

/// One that enters.
struct Guest {
    admission: Admission,
    wanted: Reservation,
    digest: String,
}

impl Guest {
    fn entering<'a>(&'a self, tenant: &'a Tenant) -> Entering<'a> {
        let Self { admission, wanted, digest } = self;
        let looking = Some((tenant, looking(digest, &admission.request)));
        Entering { admission: Some(admission), looking, wanted }
    }
}

impl View {
    fn guest(&self, digest: &str, rates: Rates, amount: i64) -> Guest {
        let request = RequestId::fresh();
        let wanted = self.wanted(&request, amount);
        Guest { admission: self.admission(&request, rates), wanted, digest: digest.into() }
    }

    /// All enter at once.
    async fn enter_all(&self, together: &Together, guests: &[Guest]) -> Vec<Entered> {
        let tenant = &self.tenant();
        let all = guests.iter().map(|guest| together.enter(guest.entering(tenant)));
        join_all(all).await.into_iter().map(Result::unwrap).collect()
    }

    async fn count(&self, command: &str, name: &str) -> usize {
        self.ask(&[command, name]).await
    }
}

fn guests(view: &View, rates: Rates, amount: i64) -> Vec<Guest> {
    (0..REQUESTS).map(|number| view.guest(&number.to_string(), rates, amount)).collect()
}

fn has_entered(entered: &Entered) -> bool {
    matches!(entered, Entered::Passed(_, Sought::Lead(Reserved::Held(_))))
}

fn refused_by(entered: &[Entered], limit: Refusal) -> usize {
    let is_refused = |entered: &&Entered| {
        matches!(entered, Entered::Refused(standing)
            if standing.refusal.is_some_and(|(by, _)| by == limit))
    };
    entered.iter().filter(is_refused).count()
}

#[tokio::test]
async fn no_more_pass_than_the_limits_and_the_credit_let() {
    let view = View::with_credit(100).await;
    let together = Together::start(&view.store, &Tasks::new());
    // Twenty by the minute, then so many as are there at once, then by credit and by budget.
    let requests = Rates { requests_max: 20, ..PLENTY };
    let entered = view.enter_all(&together, &guests(&view, requests, 1)).await;
    assert_eq!(entered.iter().filter(|entered| has_entered(entered)).count(), 20);
    assert_eq!(refused_by(&entered, Refusal::Requests), REQUESTS - 20);
    let left = entered.iter().filter_map(|entered| match entered {
        Entered::Passed(standing, _) => standing.map(|standing| standing.requests_left),
        Entered::Refused(_) => None,
    });
    assert!(left.eq((0..20).rev()), "each is told where it stands");
    assert_eq!(view.stands().await, (100, 20));

    let rate = keys::rate(&view.account, &view.key);
    view.ask::<i64>(&["DEL", &rate]).await;
    let at_once = Rates { parallel_max: 50, ..PLENTY };
    let mut others = guests(&view, at_once, 2);
    others.iter_mut().for_each(|guest| guest.digest.insert(0, 'b'));
    let entered = view.enter_all(&together, &others).await;
    assert_eq!(entered.iter().filter(|entered| has_entered(entered)).count(), 30);
    assert_eq!(refused_by(&entered, Refusal::Parallel), REQUESTS - 30);
    assert_eq!(view.stands().await, (100, 80));

    let mut others = guests(&view, PLENTY, 3);
    others.iter_mut().for_each(|guest| guest.digest.insert(0, 'c'));
    let entered = view.enter_all(&together, &others).await;
    assert_eq!(entered.iter().filter(|entered| has_entered(entered)).count(), 6);
    let insufficient = Sought::Lead(Reserved::Insufficient(MicroUsd(2)));
    let is_poor = |entered: &&Entered| match entered {
        Entered::Passed(_, sought) => *sought == insufficient,
        Entered::Refused(_) => false,
    };
    assert_eq!(entered.iter().filter(is_poor).count(), REQUESTS - 6);
    assert_eq!(view.stands().await, (100, 98));
    assert_eq!(view.store.open_holds().await.unwrap(), 56);
    view.stop().await;
}

#[tokio::test]
async fn a_budget_is_shared_and_what_is_left_is_taken_if_it_is_enough() {
    let view = View::with_credit(1_000).await;
    let together = Together::start(&view.store, &Tasks::new());
    let mut all = guests(&view, PLENTY, 4);
    for guest in &mut all {
        guest.wanted.enough = MicroUsd(1);
        let max = MicroUsd(101);
        guest.wanted.budgets = vec![Budget { spender: Spender::Key, period: None, max }];
        guest.wanted.total_budget = Some(MicroUsd(500));
    }
    let entered = view.enter_all(&together, &all).await;
    let held = |amount| {
        let held = Sought::Lead(Reserved::Held(MicroUsd(amount)));
        let is = |entered: &&Entered| matches!(entered, Entered::Passed(_, is) if *is == held);
        entered.iter().filter(is).count()
    };
    assert_eq!((held(4), held(1)), (25, 1));
    let over = |entered: &&Entered| {
        matches!(entered, Entered::Passed(_, Sought::Lead(Reserved::Budget(_, MicroUsd(0)))))
    };
    assert_eq!(entered.iter().filter(over).count(), REQUESTS - 26);
    assert_eq!(view.stands().await, (1_000, 101));
    view.stop().await;
}

/// Their answers are not kept, or they have passed their limits already.
#[tokio::test]
async fn who_looks_for_nothing_and_who_has_passed_hold_credit_together() {
    let view = View::with_credit(100).await;
    let together = Together::start(&view.store, &Tasks::new());
    let few = Rates { parallel_max: 30, ..PLENTY };
    let (unkept, passed) = (guests(&view, few, 1), guests(&view, PLENTY, 1));
    let entering = unkept.iter().map(|Guest { admission, wanted, .. }| {
        together.enter(Entering { admission: Some(admission), looking: None, wanted })
    });
    let entered: Vec<Entered> = join_all(entering).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(entered.iter().filter(|entered| has_entered(entered)).count(), 30);
    assert_eq!(refused_by(&entered, Refusal::Parallel), REQUESTS - 30);
    assert_eq!(view.stands().await, (100, 30), "who is refused holds nothing");
    assert_eq!(view.ask::<Vec<String>>(&["KEYS", "*answer:*"]).await, [""; 0], "nobody leads");

    let entering = passed.iter().map(|Guest { wanted, .. }| {
        together.enter(Entering { admission: None, looking: None, wanted })
    });
    let entered: Vec<Entered> = join_all(entering).await.into_iter().map(Result::unwrap).collect();
    let held = |entered: &&Entered| {
        matches!(entered, Entered::Passed(None, Sought::Lead(Reserved::Held(MicroUsd(1)))))
    };
    let none_left = |entered: &&Entered| {
        matches!(entered, Entered::Passed(None, Sought::Lead(Reserved::Insufficient(MicroUsd(0)))))
    };
    assert_eq!(entered.iter().filter(held).count(), 70);
    assert_eq!(entered.iter().filter(none_left).count(), REQUESTS - 70);
    assert_eq!(view.stands().await, (100, 100));
    let parallel = keys::parallel(&view.account, &view.key);
    assert_eq!(view.count("ZCARD", &parallel).await, 30, "who has passed takes no second place");
    view.stop().await;
}

#[tokio::test]
async fn no_more_pass_together_than_the_limits_let_and_all_places_come_back() {
    let view = View::start().await;
    let together = Together::start(&view.store, &Tasks::new());
    let few = Rates { parallel_max: 30, ..PLENTY };
    let all = guests(&view, Rates { parallel_max: 50, ..PLENTY }, 1);
    let whole =
        all.iter().map(|guest| Admission { of_account: Some(few), ..guest.admission.clone() });
    let whole: Vec<Admission> = whole.collect();
    let standings = join_all(whole.iter().map(|admission| together.admit(admission))).await;
    let standings: Vec<_> = standings.into_iter().map(Result::unwrap).collect();
    let refused = standings.iter().filter_map(|standing| standing.refusal);
    let refused: Vec<_> = refused.collect();
    assert_eq!(refused.len(), REQUESTS - 30);
    assert!(refused.iter().all(|refusal| *refusal == (Refusal::Parallel, Spender::Account)));
    // The minute goes by meanwhile.
    let least = standings.iter().map(|standing| standing.requests_left).min().unwrap();
    assert!((10_000 - 30..10_000 - 20).contains(&least), "thirty have taken one each: {least}");
    let places = [keys::parallel(&view.account, &view.key), keys::account_parallel(&view.account)];
    for place in &places {
        assert_eq!(view.count("ZCARD", place).await, 30);
    }
    // Who has none leaves, too: nothing comes of it.
    let leave =
        all.iter().map(|guest| together.leave(&view.account, &view.key, &guest.admission.request));
    assert!(join_all(leave).await.into_iter().all(|left| left.is_ok()));
    for place in &places {
        assert_eq!(view.count("ZCARD", place).await, 0);
    }
    view.stop().await;
}

#[tokio::test]
async fn equal_questions_have_one_leader_and_a_request_is_held_for_once() {
    let view = View::with_credit(1_000).await;
    let together = Together::start(&view.store, &Tasks::new());
    let mut all: Vec<Guest> = (0..REQUESTS).map(|_| view.guest("same", PLENTY, 1)).collect();
    // The last two are one request, of another question.
    all[REQUESTS - 2].digest = "other".into();
    all[REQUESTS - 1].digest = "once more".into();
    all[REQUESTS - 1].admission = all[REQUESTS - 2].admission.clone();
    all[REQUESTS - 1].wanted = all[REQUESTS - 2].wanted.clone();
    let entered = view.enter_all(&together, &all).await;
    let leader = all[0].admission.request.to_string();
    assert!(has_entered(&entered[0]), "{:?}", entered[0]);
    for other in &entered[1..REQUESTS - 2] {
        let follow = Sought::Known(Look::Follow(leader.clone()));
        assert!(matches!(other, Entered::Passed(_, sought) if *sought == follow), "{other:?}");
    }
    assert!(has_entered(&entered[REQUESTS - 2]) && has_entered(&entered[REQUESTS - 1]));
    assert_eq!(view.stands().await, (1_000, 2));
    view.stop().await;
}

#[tokio::test]
async fn keys_are_told_apart_and_what_is_no_answer_is_asked_for_anew() {
    let view = View::with_credit(1_000).await;
    let together = Together::start(&view.store, &Tasks::new());
    let one = Rates { requests_max: 1, ..PLENTY };
    let mut all = guests(&view, one, 1);
    for guest in &mut all {
        guest.admission.key = KeyId::fresh();
        guest.wanted.key = guest.admission.key.clone();
    }
    let another_kind = keys::answer(&view.tenant(), &all[9].digest);
    view.ask::<i64>(&["RPUSH", &another_kind, "x"]).await;
    let entered = view.enter_all(&together, &all).await;
    assert_eq!(entered.iter().filter(|entered| has_entered(entered)).count(), REQUESTS);
    assert_eq!(view.stands().await.1, i64::try_from(REQUESTS).unwrap());
    // The same key once more, beside others of another: of those no more is known than before.
    let again = view.enter_all(&together, &all[..3]).await;
    assert_eq!(refused_by(&again, Refusal::Requests), 3);
    view.stop().await;
}

/// Redis is silent for longer than they wait for it, and not for so long that its connection is
/// given up: then places come back with their lease.
#[tokio::test]
async fn places_come_back_also_of_who_waits_no_longer() {
    let view = View::start().await;
    let together = Together::start(&view.store, &Tasks::new());
    let all = guests(&view, PLENTY, 1);
    for guest in &all {
        assert!(together.admit(&guest.admission).await.unwrap().refusal.is_none());
    }
    let parallel = keys::parallel(&view.account, &view.key);
    assert_eq!(view.count("ZCARD", &parallel).await, REQUESTS);
    let speaks = Instant::now() + Duration::from_millis(700);
    view.ask::<()>(&["CLIENT", "PAUSE", "700", "ALL"]).await;
    let leaving = all.iter().map(|guest| {
        let left = together.leave(&view.account, &view.key, &guest.admission.request);
        // Some don't wait at all.
        let patience = Duration::from_millis(if guest.digest.len() == 1 { 0 } else { 300 });
        tokio::time::timeout(patience, left)
    });
    assert!(join_all(leaving).await.iter().all(|left| !matches!(left, Ok(Ok(())))), "silent");
    tokio::time::sleep_until(speaks.into()).await;
    let deadline = Instant::now() + LONG;
    while view.count("ZCARD", &parallel).await > 0 {
        assert!(Instant::now() < deadline, "places are lost");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    view.stop().await;
}

/// Keeps twelve bytes.
fn keeping<'a>(
    tenant: &'a Tenant,
    digest: &'a str,
    request: &'a RequestId,
    tenant_bytes_max: usize,
) -> Keeping<'a> {
    let (answer, ttl_seconds) = (&b"twelve bytes"[..], 300);
    let (similar, place) = (None, None);
    Keeping { tenant, digest, request, answer, ttl_seconds, tenant_bytes_max, similar, place }
}

#[tokio::test]
async fn answers_that_are_kept_together_make_room_and_give_back() {
    let view = View::with_credit(1_000).await;
    let together = Together::start(&view.store, &Tasks::new());
    let all = guests(&view, PLENTY, 1);
    view.enter_all(&together, &all).await;
    let (tenant, parallel) = (view.tenant(), keys::parallel(&view.account, &view.key));
    assert_eq!(view.count("ZCARD", &parallel).await, REQUESTS);
    // Room for ten answers: of 80 the last ten stay.
    let place = Some((&view.account, &view.key));
    let keep = all.iter().map(|Guest { digest, admission, .. }| {
        let keeping = keeping(&tenant, digest, &admission.request, 125);
        together.keep_answer(Keeping { place, ..keeping })
    });
    let gone = join_all(keep).await;
    let gone: u64 = gone.into_iter().map(Result::unwrap).sum();
    assert_eq!(gone, u64::try_from(REQUESTS).unwrap() - 10);
    assert_eq!(view.count("ZCARD", &parallel).await, 0, "all places are free");
    let index = keys::answers(&tenant);
    assert_eq!(view.count("ZCARD", &index).await, 10);
    let mut kept = 0;
    for Guest { digest, .. } in &all {
        let request = RequestId::fresh();
        let look = view.store.look_for_answer(&tenant, looking(digest, &request)).await.unwrap();
        kept += usize::from(matches!(look, Look::Kept(_)));
    }
    assert_eq!(kept, 10, "what the index doesn't know is not there");
    let sizes = keys::answer_sizes(&tenant);
    assert_eq!(view.ask::<u64>(&["HGET", &sizes, "total"]).await, 120);
    assert_eq!(view.store.forget_answers(&tenant).await.unwrap(), 10);
    assert_eq!(view.count("EXISTS", &index).await + view.count("EXISTS", &sizes).await, 0);
    view.stop().await;
}

#[tokio::test]
async fn an_answer_that_is_still_to_be_kept_alone_is_forgotten_with_the_others() {
    let view = View::start().await;
    let tenant = view.tenant();
    let (index, sizes) = (keys::answers(&tenant), keys::answer_sizes(&tenant));
    let (name, similar) = (keys::answer(&tenant, ""), keys::similar(&tenant, ""));
    let similars = keys::similars(&tenant);
    // Room for one: whoever keeps the two dies before it keeps the second one alone.
    let script = include_str!("../../src/store/scripts/keep_answer.lua");
    let names = ["EVAL", script, "5", &index, &sizes, &name, &similar, &similars];
    let words =
        ["2", "300", "15", "8", "one", "12", "r1", "", "", "", "two", "12", "r2", "", "", ""];
    let said: Vec<i64> = view.ask(&[&names[..], &words[..]].concat()).await;
    assert_eq!(said, [0, -1]);
    for digest in ["one", "two"] {
        view.ask::<()>(&["SET", &keys::answer(&tenant, digest), "twelve bytes"]).await;
    }
    assert_eq!(view.ask::<u64>(&["HGET", &sizes, "total"]).await, 12);
    assert_eq!(view.store.forget_answers(&tenant).await.unwrap(), 2);
    assert_eq!(view.ask::<usize>(&["DBSIZE"]).await, 0);
    view.stop().await;
}

#[tokio::test]
async fn answers_to_one_question_replace_each_other_and_wordings_stand_together() {
    let view = View::start().await;
    let together = Together::start(&view.store, &Tasks::new());
    let (tenant, request) = (view.tenant(), RequestId::fresh());
    let digests: Vec<String> = (0..12).map(|number| format!("w{}", number % 6)).collect();
    let similar = Some(Similar { digest: "common", vector: b"v" });
    let keep = digests.iter().map(|digest| {
        let keeping = keeping(&tenant, digest, &request, 1_000);
        together.keep_answer(Keeping { similar, ..keeping })
    });
    assert!(join_all(keep).await.into_iter().all(|gone| gone.unwrap() == 0));
    let sizes = keys::answer_sizes(&tenant);
    // Twelve bytes each, and as wordings: "common", "v" and twice "w0".
    assert_eq!(view.ask::<u64>(&["HGET", &sizes, "total"]).await, 6 * (12 + 6 + 1 + 4));
    assert_eq!(view.count("ZCARD", &keys::answers(&tenant)).await, 6);
    let similar = keys::similar(&tenant, "common");
    assert_eq!(view.count("HLEN", &similar).await, 6);
    view.stop().await;
}

/// Room for ten of eighty: each call lets many go, those of calls before it and their wordings.
#[tokio::test]
async fn an_answer_that_goes_takes_its_wordings_with_it() {
    let view = View::start().await;
    let together = Together::start(&view.store, &Tasks::new());
    let (tenant, request) = (view.tenant(), RequestId::fresh());
    let named = |letter| (0..REQUESTS).map(move |number| format!("{letter}{:02}", number));
    let (digests, wordings): (Vec<_>, Vec<_>) = (named('d').collect(), named('w').collect());
    for round in digests.chunks(16).zip(wordings.chunks(16)) {
        let keep = round.0.iter().zip(round.1).map(|(digest, wording)| {
            let similar = Some(Similar { digest: wording, vector: b"v" });
            // Twelve bytes, and as wordings: "w00", "v" and twice "d00".
            let keeping = keeping(&tenant, digest, &request, 10 * 22);
            together.keep_answer(Keeping { similar, ..keeping })
        });
        assert!(join_all(keep).await.iter().all(Result::is_ok));
    }
    assert_eq!(view.count("ZCARD", &keys::answers(&tenant)).await, 10);
    let sizes = keys::answer_sizes(&tenant);
    assert_eq!(view.ask::<u64>(&["HGET", &sizes, "total"]).await, 220);
    assert_eq!(view.count("HLEN", &sizes).await, 10 + 1, "one each, and what all take");
    assert_eq!(view.count("HLEN", &keys::similars(&tenant)).await, 10);
    let (gone, stay) = wordings.split_at(REQUESTS - 10);
    for wording in gone {
        assert_eq!(view.count("EXISTS", &keys::similar(&tenant, wording)).await, 0, "{wording}");
    }
    for wording in stay {
        assert_eq!(view.count("HLEN", &keys::similar(&tenant, wording)).await, 1, "{wording}");
    }
    view.stop().await;
}

#[tokio::test]
async fn who_leaves_is_not_asked_for_and_others_are() {
    let view = View::with_credit(1_000).await;
    let together = Together::start(&view.store, &Tasks::new());
    let (all, tenant) = (guests(&view, PLENTY, 1), &view.tenant());
    // All wait but the first, which asks; half of them leave before it is answered.
    let mut waiting: Vec<_> =
        all.iter().map(|guest| Box::pin(together.enter(guest.entering(tenant)))).collect();
    for one in &mut waiting {
        assert!(futures::poll!(one).is_pending());
    }
    let stay: Vec<_> = waiting.into_iter().step_by(2).collect();
    let entered = tokio::time::timeout(LONG, join_all(stay)).await.unwrap();
    assert!(entered.iter().all(|entered| has_entered(entered.as_ref().unwrap())));
    assert_eq!(view.stands().await.1, i64::try_from(REQUESTS / 2).unwrap());
    view.stop().await;
}

#[tokio::test]
async fn who_waits_when_its_tasks_are_to_end_is_asked_for_all_the_same() {
    let (view, tasks) = (View::with_credit(1_000).await, Tasks::new());
    let together = Together::start(&view.store, &tasks);
    let (all, tenant) = (guests(&view, PLENTY, 1), &view.tenant());
    let mut waiting: Vec<_> =
        all.iter().map(|guest| Box::pin(together.enter(guest.entering(tenant)))).collect();
    for one in &mut waiting {
        assert!(futures::poll!(one).is_pending());
    }
    tasks.stop().cancel();
    let entered = tokio::time::timeout(LONG, join_all(waiting)).await.unwrap();
    assert!(entered.iter().all(|entered| has_entered(entered.as_ref().unwrap())));
    assert!(tasks.finish_within(Duration::from_secs(10)).await);
    view.stop().await;
}

/// Redis gives them their places after they have left: to one that asked alone, and to many that
/// were asked for together.
#[tokio::test]
async fn who_leaves_while_the_limits_are_asked_keeps_no_place() {
    let view = View::with_credit(1_000).await;
    let together = Together::start(&view.store, &Tasks::new());
    let (all, tenant) = (guests(&view, PLENTY, 1), &view.tenant());
    let (known, rest) = all.split_first().unwrap();
    let (first, rest) = rest.split_first().unwrap();
    let (second, others) = rest.split_first().unwrap();
    let moment = Duration::from_millis(50);
    // Redis is told the scripts, so that it executes them also for who has left.
    together.admit(&known.admission).await.unwrap();
    assert!(has_entered(&together.enter(known.entering(tenant)).await.unwrap()));
    view.ask::<()>(&["CLIENT", "PAUSE", "700", "ALL"]).await;
    let alone = together.admit(&first.admission);
    assert!(tokio::time::timeout(moment, alone).await.is_err(), "Redis is silent");
    let mut asking = Box::pin(together.enter(second.entering(tenant)));
    assert!(futures::poll!(&mut asking).is_pending());
    let entering = others.iter().map(|guest| together.enter(guest.entering(tenant)));
    let mut waiting = Box::pin(join_all(entering));
    assert!(futures::poll!(&mut waiting).is_pending());
    drop(asking);
    assert!(tokio::time::timeout(moment, &mut waiting).await.is_err(), "they are asked for");
    drop(waiting);
    // Whoever asks next hears after all of them.
    let last = view.guest("last", PLENTY, 1);
    assert!(has_entered(&together.enter(last.entering(tenant)).await.unwrap()));
    // Who enters alone gives back by itself.
    together.leave(&view.account, &view.key, &second.admission.request).await.unwrap();
    let parallel = keys::parallel(&view.account, &view.key);
    let deadline = Instant::now() + LONG;
    while view.count("ZCARD", &parallel).await > 2 {
        assert!(Instant::now() < deadline, "places are lost");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    view.stop().await;
}

#[tokio::test]
async fn after_the_end_of_its_tasks_everybody_is_asked_for_alone() {
    let (view, tasks) = (View::with_credit(1_000).await, Tasks::new());
    let together = Together::start(&view.store, &tasks);
    tasks.stop().cancel();
    assert!(tasks.finish_within(Duration::from_secs(10)).await);
    let entered = view.enter_all(&together, &guests(&view, PLENTY, 1)).await;
    assert!(entered.iter().all(has_entered));
    view.stop().await;
}
