//! The load: many clients that ask, read, and now and then hang up, through the public API alone.
//! Each writes down what it saw; whether that is right, the checker says.

use crate::answer;
use crate::dice::Dice;
use infra::tasks::Tasks;
use reqwest::{Client, Response};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How long a client waits for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// Before a client that was refused asks again.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);

/// The largest answer of each request, in tokens.
const TOKENS_MAX: u64 = 60;

/// How a request ended, as its client saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// The whole answer.
    Done,
    /// An error: its status (200 in a stream) and code.
    Error(u16, String),
    /// The connection broke.
    Broken,
    /// The client hung up.
    LeftByUs,
}

/// What one client saw of one request.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Which question.
    pub(crate) id: String,
    /// The request's name, if the client was told it.
    pub(crate) request: Option<String>,
    /// Whether an answer had begun: status 200.
    pub(crate) accepted: bool,
    /// When it was sent.
    pub(crate) sent: Instant,
    /// When its first text came.
    pub(crate) first_text: Option<Instant>,
    /// How long it took.
    pub(crate) took: Duration,
    /// The text that came.
    pub(crate) text: String,
    /// Input and output tokens as told.
    pub(crate) usage: Option<(u64, u64)>,
    /// How it ended.
    pub(crate) end: End,
    /// How often its end was told.
    pub(crate) ends: usize,
}

/// Who asks whom.
pub(crate) struct Load {
    http: Client,
    seed: u64,
    gateways: Vec<String>,
    secrets: Vec<String>,
    /// Nobody hangs up, and a refused connection is tried elsewhere.
    patient: bool,
    seen: Mutex<Vec<Seen>>,
}

impl Load {
    /// Clients of these gateways with these keys; the last key is used rarely.
    pub(crate) fn new(
        seed: u64,
        gateways: Vec<String>,
        secrets: Vec<String>,
        patient: bool,
    ) -> Arc<Self> {
        infra::net::install_cryptography();
        let builder = Client::builder().timeout(PATIENCE).tls_certs_only([]).no_proxy();
        // A connection that a restart has closed must not count as a lost request.
        let http = builder.pool_max_idle_per_host(0).build().unwrap();
        Arc::new(Self { http, seed, gateways, secrets, patient, seen: Mutex::default() })
    }

    /// Starts so many clients; they end after `stop`, with their last request.
    pub(crate) fn start(self: &Arc<Self>, clients: usize, tasks: &Tasks, stop: &CancellationToken) {
        for number in 0..clients {
            let (load, stop) = (Arc::clone(self), stop.clone());
            tasks.spawn("client", async move {
                let mut dice = Dice::of(load.seed, &format!("client {number}"));
                let mut count = 0;
                while !stop.is_cancelled() {
                    count += 1;
                    load.ask(&format!("s{}c{number}n{count}", load.seed), &mut dice).await;
                }
            });
        }
    }

    /// Everything that was seen so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    async fn ask(&self, id: &str, dice: &mut Dice) {
        let rare = self.secrets.len() - 1;
        let secret = if dice.percent(10) { rare } else { dice.below(rare) };
        let first = dice.below(self.gateways.len());
        let streams = dice.percent(70);
        let leaves = !self.patient && dice.percent(8);
        let leaves_after = leaves.then(|| dice.below(20));
        let question = Question { id, secret, streams, leaves_after };
        for turn in 0..self.gateways.len() {
            match self.ask_at((first + turn) % self.gateways.len(), &question).await {
                // Nobody has heard it.
                None => {}
                Some(End::Error(..)) => break,
                Some(_) => return,
            }
        }
        tokio::time::sleep(REFUSED_PAUSE).await;
    }

    /// Whether one gateway answers a question whole.
    pub(crate) async fn is_answered(&self, gateway: usize, id: &str) -> bool {
        let question = Question { id, secret: 0, streams: true, leaves_after: None };
        self.ask_at(gateway, &question).await == Some(End::Done)
    }

    /// Asks one gateway and writes down what came; nothing when it can't be reached.
    async fn ask_at(&self, gateway: usize, question: &Question<'_>) -> Option<End> {
        let Question { id, secret, streams, leaves_after } = *question;
        let url = format!("{}/v1/chat/completions", self.gateways[gateway]);
        let body = json!({"model": "fast", "max_tokens": TOKENS_MAX, "stream": streams,
            "stream_options": streams.then(|| json!({"include_usage": true})),
            "messages": [{"role": "user", "content": answer::question(id)}]});
        let sent = Instant::now();
        let asked = self.http.post(url).bearer_auth(&self.secrets[secret]).json(&body);
        let mut seen = Seen {
            id: id.to_owned(),
            request: None,
            accepted: false,
            sent,
            first_text: None,
            took: Duration::ZERO,
            text: String::new(),
            usage: None,
            end: End::Broken,
            ends: 0,
        };
        match asked.send().await {
            // A listener that closes resets who is connected and not accepted yet, and a balancer
            // tries elsewhere. Had the gateway taken the request, its end would stand in the ledger
            // without anybody who knows of it, which the checker finds.
            Err(error) if error.is_connect() || self.patient => return None,
            Err(_) => {}
            Ok(response) => read(response, &mut seen, streams, leaves_after).await,
        }
        seen.took = sent.elapsed();
        let end = seen.end.clone();
        self.seen.lock().unwrap().push(seen);
        Some(end)
    }
}

/// One question.
struct Question<'a> {
    id: &'a str,
    /// With which key.
    secret: usize,
    streams: bool,
    /// The client hangs up after so many pieces.
    leaves_after: Option<usize>,
}

async fn read(mut response: Response, seen: &mut Seen, streams: bool, leaves_after: Option<usize>) {
    let status = response.status().as_u16();
    let name = response.headers().get("x-request-id").and_then(|name| name.to_str().ok());
    seen.request = name.map(str::to_owned);
    seen.accepted = status == 200;
    if status == 200 && streams {
        let (mut bytes, mut read) = (Vec::new(), 0);
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
                // A body that ends in good order without an end of the answer is no end, too.
                Ok(None) | Err(_) => return,
            }
            while let Some(end) = bytes[read..].windows(2).position(|pair| pair == b"\n\n") {
                let event = String::from_utf8_lossy(&bytes[read..read + end]).into_owned();
                read += end + 2;
                learn(&event, seen);
                let pieces = seen.text.matches(' ').count();
                if leaves_after.is_some_and(|limit| pieces >= limit) && seen.ends == 0 {
                    seen.end = End::LeftByUs;
                    return;
                }
            }
        }
    }
    let Ok(body) = response.json::<Value>().await else { return };
    if status == 200 {
        seen.ends = 1;
        seen.end = End::Done;
        seen.first_text = Some(Instant::now());
        seen.text = body["choices"][0]["message"]["content"].as_str().unwrap_or("").to_owned();
        seen.usage = usage(&body);
    } else {
        let code = body["error"]["code"].as_str().unwrap_or("").to_owned();
        seen.ends = 1;
        seen.end = End::Error(status, code);
    }
}

/// What one event of a stream tells.
fn learn(event: &str, seen: &mut Seen) {
    let Some(data) = event.strip_prefix("data: ") else { return };
    if data == "[DONE]" {
        seen.ends += 1;
        seen.end = End::Done;
        return;
    }
    let data: Value = serde_json::from_str(data).unwrap_or_default();
    if let Some(code) = data["error"]["code"].as_str() {
        seen.ends += 1;
        seen.end = End::Error(200, code.to_owned());
    }
    if let Some(text) = data["choices"][0]["delta"]["content"].as_str().filter(|t| !t.is_empty()) {
        seen.first_text = seen.first_text.or_else(|| Some(Instant::now()));
        seen.text.push_str(text);
    }
    seen.usage = usage(&data).or(seen.usage);
}

fn usage(body: &Value) -> Option<(u64, u64)> {
    let usage = &body["usage"];
    Some((usage["prompt_tokens"].as_u64()?, usage["completion_tokens"].as_u64()?))
}
