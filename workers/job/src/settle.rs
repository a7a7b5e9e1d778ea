//! The end of a job: the charge is written to the ledger and acknowledged before the end is told.
//! So whoever saw the end knows that the charge is durable. It writes `use` only; a job that
//! produced nothing is the gateway's to void, or to try elsewhere.

use crate::meter;
use crate::reply::Reply;
use crate::worker::Worker;
use crate::{Ended, deadline_exceeded};
use infra::bus::ledger::Recorded;
use infra::clock;
use infra::crash::Point;
use schemas::error::{ErrorCode, Problem};
use schemas::frame::{Done, Failed, FrameBody};
use schemas::job::ChatJob;
use schemas::ledger::{EventV1, Fact, Outcome, Use, Writer};
use schemas::money::MicroUsd;
use schemas::usage::TokenSource;
use std::pin::pin;
use std::time::Duration;

/// So long a whole answer waits for its charge. Then it goes ahead, so that its gateway knows that
/// it is there, and gives the job to nobody else.
const ANSWER_WAITS_MAX: Duration = Duration::from_millis(100);

/// When a retry makes sense after a charge couldn't be recorded, in milliseconds.
const NOT_RECORDED_RETRY_MS: u64 = 2_000;

/// How a job's end is to be written.
pub(crate) struct End<'a> {
    /// Its client left.
    pub(crate) cancelled: bool,
    /// Our clock is so far behind.
    pub(crate) behind_ms: u64,
    /// What came with the job.
    pub(crate) seal: Option<&'a str>,
}

/// What is charged: never more than is held, and it is told when that is less than was used.
fn held(job: &ChatJob, charge: MicroUsd) -> MicroUsd {
    if charge > job.hold {
        tracing::warn!(
            request = %job.request,
            model = job.model,
            used_micro_usd = charge.0,
            held_micro_usd = job.hold.0,
            "more was used than was held: only what was held is charged"
        );
    }
    charge.min(job.hold)
}

/// Settles a job and tells its end.
pub(crate) async fn settle(
    worker: &Worker,
    job: &ChatJob,
    reply: &mut Reply,
    ended: Ended,
    end: End<'_>,
) {
    // Who didn't want a stream gets nothing but the whole: an error instead of it costs nothing,
    // nor does leaving before it is there.
    let is_told = job.stream || reply.is_whole();
    let produced = reply.produced().is_something() && is_told;
    if !produced && let Some(problem) = ended.problem {
        reply.end(FrameBody::Failed(Failed { problem, settled: None })).await;
        return;
    }
    let (usage, source) = meter::usage(job, reply.produced(), &ended);
    if source == TokenSource::Vendor {
        worker.thinkers().learn(&job.model, &usage);
    }
    let outcome = match &ended.problem {
        None => Outcome::Done,
        Some(_) if end.cancelled => Outcome::Cancelled,
        Some(_) => Outcome::Partial,
    };
    let charge = held(job, job.price.charge(&usage));
    let event = EventV1 {
        account: job.account.clone(),
        at_ms: clock::unix_ms().saturating_add(end.behind_ms),
        amount: charge.negated(),
        fact: Fact::Use(Use {
            request: job.request.clone(),
            key: job.key.clone(),
            model: job.model.clone(),
            usage,
            source,
            price: job.price,
            hold: job.hold,
            outcome,
            writer: Writer::Worker,
            cached: false,
            route: job.route.clone(),
        }),
    };
    let body = match write_beside(worker, &event, end.seal, reply).await {
        Some(recorded) => end_of(recorded, &event, ended.problem),
        None => {
            let problem = if produced && job.stream { partly_charged() } else { not_recorded() };
            FrameBody::Failed(Failed { problem, settled: None })
        }
    };
    Point::Settled.pass().await;
    reply.end(body).await;
}

/// Writes until confirmed; an answer that waits goes ahead when that takes long.
async fn write_beside(
    worker: &Worker,
    event: &EventV1,
    seal: Option<&str>,
    reply: &mut Reply,
) -> Option<Recorded> {
    let mut writing = pin!(write(worker, event, seal));
    if reply.is_waited_for() {
        if let Ok(recorded) = tokio::time::timeout(ANSWER_WAITS_MAX, &mut writing).await {
            return recorded;
        }
        reply.release().await;
    }
    writing.await
}

/// Writes until confirmed. `None` when the ledger stayed away or a forgery stands there: the
/// gateway will write it.
async fn write(worker: &Worker, event: &EventV1, seal: Option<&str>) -> Option<Recorded> {
    let recorded = worker.bus().record_patiently_under(event, seal).await;
    if recorded.is_none() {
        tracing::error!(request = ?event.request(), "a charge could not be written");
    }
    recorded
}

/// The last frame: what the ledger says, also when somebody else had written first.
fn end_of(recorded: Recorded, ours: &EventV1, problem: Option<Problem>) -> FrameBody {
    let event = match &recorded {
        Recorded::Written(_) => ours,
        Recorded::Before(before) => before,
    };
    let Fact::Use(charged) = &event.fact else {
        // Void: the gateway or the sweeper had given up on this job.
        let problem = problem.unwrap_or_else(deadline_exceeded);
        return FrameBody::Failed(Failed { problem, settled: None });
    };
    let done = Done {
        usage: charged.usage,
        source: charged.source,
        charge: event.amount.negated(),
        outcome: charged.outcome,
    };
    match problem {
        None => FrameBody::Done(done),
        Some(problem) => FrameBody::Failed(Failed { problem, settled: Some(done) }),
    }
}

/// What a stream's client has got is charged by its gateway: asking again costs once more.
fn partly_charged() -> Problem {
    Problem::new(
        ErrorCode::StreamInterrupted,
        "料金の記録を確認できず、回答を終えられませんでした。届いた分は課金されます。",
        "The charge could not be confirmed, so the answer can't be ended. What has arrived is \
         charged.",
    )
}

fn not_recorded() -> Problem {
    Problem::new(
        ErrorCode::ServiceUnavailable,
        "料金を記録できませんでした。しばらくしてからもう一度お試しください。",
        "The charge could not be recorded. Please try again in a moment.",
    )
    .retry_after_ms(NOT_RECORDED_RETRY_MS)
}
