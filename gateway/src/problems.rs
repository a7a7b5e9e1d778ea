//! What a client is told of problems that several surfaces or steps have: a field that is wrong, an
//! answer that breaks or never begins. It decides nothing.

use schemas::error::{ErrorCode, Problem};
use std::fmt::Display;
use std::time::Duration;

/// When a retry makes sense after records couldn't be read or written, in milliseconds.
const RECORDS_RETRY_MS: u64 = 2_000;

/// When a retry makes sense after no worker could be had, in milliseconds.
const NO_WORKER_RETRY_MS: u64 = 5_000;

/// A field that isn't what it should be.
pub(crate) fn wrong(field: &str, japanese: &str, english: &str) -> Problem {
    // A word of Latin letters is set off from the particle after it.
    let blank = if japanese.ends_with(|last: char| last.is_ascii()) { " " } else { "" };
    Problem::new(
        ErrorCode::InvalidRequest,
        format!("{field} が正しくありません。{japanese}{blank}を指定してください。"),
        format!("'{field}' is not valid: give {english}."),
    )
    .at(field)
}

/// A field that asks for what can't be honoured.
pub(crate) fn not_offered(field: &str) -> Problem {
    Problem::new(
        ErrorCode::InvalidRequest,
        format!("{field} には対応していません。外してください。"),
        format!("'{field}' is not supported here: leave it out."),
    )
    .at(field)
}

/// NATS or Redis couldn't be asked; why is logged here.
pub(crate) fn records_away(error: &dyn Display) -> Problem {
    tracing::error!(%error, "a record can't be read or written");
    Problem::new(
        ErrorCode::ServiceUnavailable,
        "記録を読み書きできません。しばらくしてからもう一度お試しください。",
        "Records can't be read or written now. Try again in a moment.",
    )
    .retry_after_ms(RECORDS_RETRY_MS)
}

/// The answer broke off after it had begun.
pub(crate) fn interrupted() -> Problem {
    Problem::new(
        ErrorCode::StreamInterrupted,
        "回答の途中で接続が切れました。生成された分だけが課金されます。もう一度お試しください。",
        "The answer broke off. Only what was produced is charged. Please try again.",
    )
}

/// The client read too slowly, or the gateway has to stop.
pub(crate) fn cut_off() -> Problem {
    Problem::new(
        ErrorCode::StreamInterrupted,
        "受信が遅すぎるか、サーバーの停止のため、回答を打ち切りました。生成された分だけが課金されます。",
        "The answer was cut: the client read too slowly, or the server had to stop. Only what was \
         produced is charged.",
    )
}

/// No worker survives the request.
pub(crate) fn poisoned() -> Problem {
    Problem::new(
        ErrorCode::UpstreamError,
        "このリクエストは複数のワーカーで失敗しました。内容を変えてお試しください。",
        "Several workers failed on this request. Try it with other content.",
    )
}

/// Workers had the request, and their answers did not come through.
pub(crate) fn not_heard() -> Problem {
    Problem::new(
        ErrorCode::NoWorker,
        "ワーカーの応答が届きませんでした（ネットワークの遅れの可能性）。通常、課金はされません。\
         しばらくしてからもう一度お試しください。",
        "No worker could be heard in time; the network may be slow. Usually nothing is charged. \
         Try again later.",
    )
    .retry_after_ms(NO_WORKER_RETRY_MS)
}

/// The request's own time is over.
pub(crate) fn deadline_exceeded() -> Problem {
    Problem::new(
        ErrorCode::DeadlineExceeded,
        "時間内に回答が終わりませんでした。max_tokens を減らしてください。",
        "The answer did not end in time. Lower max_tokens.",
    )
}

/// The upstream said nothing in time.
pub(crate) fn upstream_timeout() -> Problem {
    Problem::new(
        ErrorCode::UpstreamTimeout,
        "モデルが時間内に応答しませんでした。もう一度お試しください。",
        "The model did not answer in time. Try again.",
    )
}

/// Nobody took the request in time.
pub(crate) fn no_worker() -> Problem {
    Problem::new(
        ErrorCode::NoWorker,
        "順番が回ってきませんでした。しばらくしてからもう一度お試しください。",
        "No worker became free in time. Try again later.",
    )
    .retry_after_ms(NO_WORKER_RETRY_MS)
}

/// There is no turn in time.
pub(crate) fn queue_full(retry_after: Duration) -> Problem {
    Problem::new(
        ErrorCode::QueueFull,
        "順番待ちが長すぎます。retry-after の後にもう一度お試しください。",
        "Too many requests are waiting. Try again after retry-after.",
    )
    .retry_after_ms(u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX))
}
