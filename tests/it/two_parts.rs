//! An answer in two parts with a gate between, for what goes wrong in the middle of a stream; and
//! the number of workers that a gateway knows.

use harness::{Client, EventStream, Gate, Script, Step, World, wait_until};

/// What it says in all.
pub(crate) const WHOLE: &str = "十文字の回答です。。 and the rest";

/// Asks for it at `client` and reads its first part, ten tokens' worth. The second comes when the
/// gate is opened.
pub(crate) async fn begin(world: &World, client: &Client) -> (EventStream, Gate) {
    let gate = Gate::new();
    world.vendor().next(
        "fast",
        Script::steps([
            Step::Text("十文字の回答です。。".into()),
            Step::Wait(gate.clone()),
            Step::Text(" and the rest".into()),
        ]),
    );
    let mut stream = client.ask_stream("fast", "hello").await;
    stream.next_text().await;
    (stream, gate)
}

/// All of it, or an error behind a part: never a gap, and never a clean end that isn't one.
pub(crate) fn assert_whole_or_an_error(stream: &EventStream) {
    match stream.error_code() {
        None => assert!(stream.is_done() && stream.text() == WHOLE, "{:?}", stream.events()),
        Some(_) => assert!(!stream.is_done() && WHOLE.starts_with(&stream.text())),
    }
}

/// Waits until the first gateway knows so many workers.
pub(crate) async fn wait_for_workers(world: &World, count: usize) {
    let client = world.client_with(0, None);
    wait_until(&format!("{count} workers are known"), async || {
        client.get("/ready").await.json()["workers"] == count
    })
    .await;
}
