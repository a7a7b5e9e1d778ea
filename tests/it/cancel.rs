//! A client that hangs up: the vendor is told soon, what was produced is paid, and a job that
//! still waits is never run.

use harness::{Event, Gate, Script, Step, World, wait_until};
use schemas::ledger::{Outcome, Use};
use schemas::usage::TokenSource;
use serde_json::json;

/// Says a word and then nothing more.
fn begun() -> Script {
    Script::steps([Step::Text("十文字の回答です。。".into()), Step::Stall])
}

#[tokio::test]
async fn a_hang_up_in_a_stream_reaches_the_vendor_and_what_was_produced_is_paid() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    world.vendor().always("fast", begun());
    let mut stream = world.client(&key).ask_stream("fast", "hello").await;
    stream.next_text().await;
    drop(stream);
    world.vendor().wait_for_hang_ups(1).await;
    world.wait_for_ends(1, 0).await;
    let (event, charge) = world.uses().await.remove(0);
    assert_eq!(event.outcome, Outcome::Cancelled);
    assert_eq!(event.source, TokenSource::Estimated);
    assert_eq!(event.usage.output, 10, "one token for each Japanese character");
    assert_eq!(event.usage.input, 2, "five letters");
    assert_eq!(charge, 22);
    world.finish().await;
}

#[tokio::test]
async fn a_hang_up_before_the_first_token_costs_nothing() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    world.vendor().always("fast", Script::Silence);
    let client = world.client(&key);
    for stream in [false, true] {
        let before = world.vendor().starts();
        let mut body = harness::client::question_to("fast", "hello");
        body["stream"] = stream.into();
        let asked = client.chat(&body);
        tokio::select! {
            answer = asked => panic!("nobody answers, and yet: {}", answer.text),
            () = world.vendor().wait_for_starts(before + 1) => {}
        }
        world.vendor().wait_for_hang_ups(before + 1).await;
    }
    world.wait_for_ends(0, 2).await;
    world.finish().await;
}

#[tokio::test]
async fn a_queued_job_whose_client_left_is_never_run() {
    let world = World::builder()
        .own_users()
        .config(|config| config.workers.provider_slots = 1)
        .start()
        .await;
    let key = world.key(1_000_000).await;
    let gate = Gate::new();
    world.vendor().next("fast", Script::says(["first"]).after(&gate));
    let client = world.client(&key);
    let left = async {
        world.vendor().wait_for_starts(1).await;
        let asked = client.ask("fast", "second");
        let queued =
            wait_until("the second waits", async || world.queue("cloud").await.pending == 1);
        tokio::select! {
            answer = asked => panic!("there is no free slot, and yet: {}", answer.text),
            () = queued => {}
        }
        wait_until("the second is removed", async || world.queue("cloud").await.pending == 0).await;
        gate.open();
    };
    let (first, ()) = futures::join!(client.ask("fast", "first"), left);
    assert_eq!(first.content(), "first");
    world.wait_for_ends(1, 1).await;
    assert_eq!(world.client(&key).ask("fast", "third").await.content(), "third");
    assert_eq!(world.vendor().starts(), 2, "the second never reached the vendor");
    world.finish().await;
}

#[tokio::test]
async fn a_hang_up_frees_the_slot_for_the_next() {
    let world = World::builder().config(|config| config.workers.provider_slots = 1).start().await;
    let key = world.key(1_000_000).await;
    world.vendor().next("fast", begun());
    let client = world.client(&key);
    let mut stream = client.ask_stream("fast", "hello").await;
    stream.next_text().await;
    drop(stream);
    assert_eq!(client.ask("fast", "next").await.content(), "next");
    world.finish().await;
}

#[tokio::test]
async fn many_hang_ups_at_once_leave_nothing() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    world.vendor().always("fast", begun());
    let client = world.client(&key);
    let streams = (0..12).map(|_| async {
        let mut stream = client.ask_stream("fast", "hello").await;
        stream.next_text().await;
        stream
    });
    let streams = futures::future::join_all(streams).await;
    drop(streams);
    world.vendor().wait_for_hang_ups(12).await;
    world.wait_for_ends(12, 0).await;
    world.finish().await;
}

/// What only its vendor can count is read on: the picture, or thoughts that nobody sees, would cost
/// nothing for whoever leaves before the end.
#[tokio::test]
async fn what_only_the_vendor_counts_is_read_to_its_count_though_nobody_waits() {
    let picture = json!([{"type": "text", "text": "colour?"},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]);
    let asked = [
        json!({"model": "fast", "messages": [{"role": "user", "content": picture}]}),
        json!({"model": "fast", "reasoning_effort": "high",
            "messages": [{"role": "user", "content": "how many?"}]}),
    ];
    for body in asked {
        let world = World::builder().config(|config| config.limits.parallel = 1).start().await;
        let key = world.key(10_000_000).await;
        let gate = Gate::new();
        let steps = [Step::Text("red".into()), Step::Wait(gate.clone())];
        world.vendor().next("fast", Script::steps(steps));
        let client = world.client(&key);
        let mut stream = client.stream(&body).await;
        stream.next_text().await;
        drop(stream);
        // The client has left, and so has its place.
        world.vendor().always("fast", Script::says(["next"]));
        wait_until("the next request is taken", async || {
            client.ask("fast", "hello").await.text.contains("next")
        })
        .await;
        gate.open();
        world.wait_for_ends(2, 0).await;
        let of_vendor = |(used, _): &(Use, i64)| used.source == TokenSource::Vendor;
        let uses = world.uses().await;
        assert!(uses.iter().all(of_vendor), "{uses:?}");
        assert!(uses.iter().all(|(used, charge)| used.outcome == Outcome::Done && *charge == 20));
        world.finish().await;
    }
}

/// Whatever of an answer came through is paid, in whichever field it stood: who reads it and leaves
/// before the last event has not got it for nothing.
#[tokio::test]
async fn no_field_of_an_answer_is_free_for_who_leaves_before_its_end() {
    let said = "十文字の回答です。。";
    let deltas = [
        (json!({"function_call": {"name": "answer", "arguments": said}}), 10),
        (json!({"tool_calls": [{"index": 0, "type": "custom", "custom": {"input": said}}]}), 10),
        (json!({"audio": {"id": "a", "transcript": said, "data": "AAAA"}}), 10),
        (json!({"images": [{"image_url": {"url": "data:image/png;base64,AA"}}]}), 0),
        (json!({"reasoning_details": [{"text": said}]}), 10),
    ];
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    for (number, (delta, tokens)) in deltas.into_iter().enumerate() {
        let chunk = json!({"choices": [{"index": 0, "delta": delta}]});
        // It breaks off without a count, when what only a vendor counts has been waited for.
        let gate = Gate::new();
        let steps =
            [Step::Raw(format!("data: {chunk}\n\n")), Step::Wait(gate.clone()), Step::EndEarly];
        world.vendor().next("fast", Script::steps(steps).with_counts(None));
        let mut stream = client.ask_stream("fast", "hello").await;
        while !matches!(stream.next().await, Some(Event::Data(_))) {}
        drop(stream);
        gate.open();
        world.wait_for_ends(number + 1, 0).await;
        let outputs: Vec<u64> =
            world.uses().await.iter().map(|(used, _)| used.usage.output).collect();
        assert_eq!(outputs.last(), Some(&tokens), "{chunk}: {outputs:?}");
    }
    world.finish().await;
}
