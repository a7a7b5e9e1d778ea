//! Looks at everything that passes through NATS and at everything that lies in Redis or on the
//! disk, for texts that must not be there. It changes nothing.

use futures::StreamExt;
use redis::aio::MultiplexedConnection;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::task::JoinHandle;

/// All messages of NATS that are told to everybody, since the spy began.
pub struct Spy {
    client: async_nats::Client,
    messages: Arc<Mutex<Vec<(String, String)>>>,
    marks: AtomicUsize,
    listening: JoinHandle<()>,
}

/// The spy's own mark: when it is heard, everything sent before has been heard.
const MARK: &str = "spy.mark";

impl Spy {
    /// Listens to every subject.
    pub(crate) async fn start(client: async_nats::Client) -> Self {
        let mut all = client.subscribe(">").await.unwrap();
        let messages = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&messages);
        let tasks = infra::tasks::Tasks::new();
        let listening = tasks.spawn("spy", async move {
            while let Some(message) = all.next().await {
                let text = String::from_utf8_lossy(&message.payload).into_owned();
                heard.lock().unwrap().push((message.subject.to_string(), text));
            }
        });
        let spy = Self { client, messages, marks: AtomicUsize::new(0), listening };
        spy.messages().await;
        spy
    }

    /// Subject and text of everything that was sent before this call.
    pub async fn messages(&self) -> Vec<(String, String)> {
        let mark = self.marks.fetch_add(1, Ordering::Relaxed).to_string();
        self.client.publish(MARK, mark.clone().into()).await.unwrap();
        crate::wait_until("the spy hears its own mark", async || {
            let messages = self.messages.lock().unwrap();
            messages.iter().rev().any(|(subject, text)| subject == MARK && *text == mark)
        })
        .await;
        self.messages.lock().unwrap().clone()
    }
}

impl Drop for Spy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Every key of Redis with everything in it, as text.
pub(crate) async fn redis_texts(
    connection: &mut MultiplexedConnection,
) -> BTreeMap<String, String> {
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(connection).await.unwrap();
    let mut texts = BTreeMap::new();
    for key in keys {
        let kind: String = redis::cmd("TYPE").arg(&key).query_async(connection).await.unwrap();
        let mut command = match kind.as_str() {
            "string" => redis::cmd("GET"),
            "hash" => redis::cmd("HGETALL"),
            "zset" => redis::cmd("ZRANGE"),
            "list" => redis::cmd("LRANGE"),
            // Gone since it was listed.
            "none" => continue,
            kind => panic!("{key} is a {kind}: teach the spy to read it"),
        };
        command.arg(&key);
        if kind == "zset" || kind == "list" {
            command.arg(0).arg(-1);
        }
        if kind == "zset" {
            command.arg("WITHSCORES");
        }
        let value: redis::Value = command.query_async(connection).await.unwrap();
        texts.insert(key, text_of(&value));
    }
    texts
}

fn text_of(value: &redis::Value) -> String {
    match value {
        redis::Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        redis::Value::Array(values) => values.iter().map(text_of).collect::<Vec<_>>().join(" "),
        redis::Value::Nil => String::new(),
        other => format!("{other:?}"),
    }
}

/// Whether a file below a folder holds a text.
pub(crate) fn on_disk(folder: &Path, text: &str) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    entries.flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return on_disk(&path, text);
        }
        let content = std::fs::read(&path).unwrap_or_default();
        content.windows(text.len()).any(|window| window == text.as_bytes())
    })
}
