//! What happens to the connection when the answer isn't wanted any more: it is closed at once, and
//! never left to the vendor to notice.

use crate::common::sink::Collected;
use crate::common::vendor::{Script, Step, Vendor};
use crate::common::{greeting, provider, text_event};
use schemas::catalogue::Vendor as Protocol;
use schemas::error::ErrorCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Far longer than an abort takes, far shorter than any limit.
const AT_ONCE: Duration = Duration::from_secs(5);

fn begun_and_stalled() -> Script {
    Script::Stream(vec![Step::Send(text_event("一")), Step::Stall])
}

/// Stops an answer when `until` is told, and waits until the vendor has seen its client hang up.
async fn stopped(script: Script, stream: bool, mut sink: Collected, until: Option<Arc<Notify>>) {
    let vendor = Vendor::always(script).await;
    let provider = provider(&vendor, Protocol::Compatible, &[]);
    let stop = CancellationToken::new();
    let cancel = async {
        match until {
            Some(until) => until.notified().await,
            None => {
                while vendor.requests() == 0 {
                    tokio::task::yield_now().await;
                }
            }
        }
        stop.cancel();
    };
    let job = greeting(stream);
    let answer = provider.answer(&job, &mut sink, &stop);
    let (ended, ()) =
        timeout(AT_ONCE, async { tokio::join!(answer, cancel) }).await.expect("ends at once");
    assert_eq!(ended.result.unwrap_err().code, ErrorCode::StreamInterrupted);
    timeout(AT_ONCE, vendor.ended(1)).await.expect("the vendor sees the hang-up at once");
}

#[tokio::test]
async fn a_stop_closes_the_connection_while_the_vendor_is_silent() {
    for stream in [true, false] {
        stopped(Script::Silence, stream, Collected::default(), None).await;
    }
}

#[tokio::test]
async fn a_stop_closes_the_connection_in_the_middle_of_a_stream() {
    let sink = Collected::default();
    let told = Arc::clone(&sink.told);
    stopped(begun_and_stalled(), true, sink, Some(told)).await;
}

#[tokio::test]
async fn a_stop_closes_the_connection_while_the_sink_is_stuck() {
    let sink = Collected { is_stuck: true, ..Collected::default() };
    let told = Arc::clone(&sink.told);
    stopped(begun_and_stalled(), true, sink, Some(told)).await;
}

#[tokio::test]
async fn a_stop_before_the_call_sends_nothing() {
    let vendor = Vendor::always(Script::Silence).await;
    let stop = CancellationToken::new();
    stop.cancel();
    for stream in [true, false] {
        let provider = provider(&vendor, Protocol::Compatible, &[]);
        let ended = provider.answer(&greeting(stream), &mut Collected::default(), &stop).await;
        assert!(ended.result.is_err() && ended.usage.is_none());
    }
    assert_eq!(vendor.requests(), 0);
}

#[tokio::test]
async fn a_closed_sink_closes_the_connection() {
    let steps = vec![Step::Send(text_event("一")), Step::Stall];
    let vendor = Vendor::always(Script::Stream(steps)).await;
    let mut sink = Collected { open_for: Some(0), ..Collected::default() };
    let provider = provider(&vendor, Protocol::Compatible, &[]);
    let job = greeting(true);
    let stop = CancellationToken::new();
    let answer = provider.answer(&job, &mut sink, &stop);
    let ended = timeout(AT_ONCE, answer).await.expect("ends at once");
    assert!(ended.result.is_err());
    timeout(AT_ONCE, vendor.ended(1)).await.expect("the vendor sees the hang-up at once");
}
