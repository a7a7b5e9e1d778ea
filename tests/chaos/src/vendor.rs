//! A vendor in OpenAI's protocol that gives each question its one right answer, piece by piece and
//! in its own time, and that writes down every start. Its moods come from the seed, its weather
//! from the nemesis.

use crate::answer;
use crate::dice::Dice;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::Response;
use axum::serve::ListenerExt;
use infra::tasks::Tasks;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// One time that somebody asked it.
#[derive(Debug, Clone)]
pub(crate) struct Start {
    /// Which question.
    pub(crate) id: String,
    /// When.
    pub(crate) at: Instant,
    /// When it was over: told to its end, refused, broken off, or hung up.
    pub(crate) ended: Option<Instant>,
}

/// What it does to everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weather {
    /// It answers, but for its moods.
    Fair,
    /// It refuses everybody with this status.
    Refuses(u16),
    /// It breaks off in every answer.
    Cuts,
    /// It says nothing to anybody.
    Silence,
}

/// What it does with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Answers,
    Refuses(u16),
    CutsAfter(usize),
    StallsAfter(usize),
}

struct Shared {
    seed: u64,
    moody: bool,
    weather: Mutex<Weather>,
    starts: Mutex<Vec<Start>>,
    loses_a_piece: AtomicBool,
}

/// The vendor; it ends with the run.
pub(crate) struct Vendor {
    url: String,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

impl Vendor {
    /// Starts one; `moody` ones fail a few of all requests by themselves.
    pub(crate) async fn start(seed: u64, moody: bool) -> Self {
        let shared = Arc::new(Shared {
            seed,
            moody,
            weather: Mutex::new(Weather::Fair),
            starts: Mutex::default(),
            loses_a_piece: AtomicBool::new(false),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let serve = async move { axum::serve(listener, router).await.unwrap() };
        Self { url, shared, server: Tasks::new().spawn("vendor", serve) }
    }

    /// Where it is.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Changes the weather.
    pub(crate) fn set_weather(&self, weather: Weather) {
        *self.shared.weather.lock().unwrap() = weather;
    }

    /// From now on it leaves a piece out of each answer, as if a frame were lost and nobody saw it.
    pub(crate) fn lose_pieces(&self) {
        self.shared.loses_a_piece.store(true, Ordering::Relaxed);
    }

    /// Every start, in order.
    pub(crate) fn starts(&self) -> Vec<Start> {
        self.shared.starts.lock().unwrap().clone()
    }
}

impl Drop for Vendor {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Shared {
    fn mood(&self, id: &str, nth: usize, length: usize) -> Mood {
        let mut dice = Dice::of(self.seed, &format!("mood {id} {nth}"));
        let middle = 1 + dice.below(length.saturating_sub(1));
        match *self.weather.lock().unwrap() {
            Weather::Refuses(status) => return Mood::Refuses(status),
            Weather::Cuts => return Mood::CutsAfter(middle),
            Weather::Silence => return Mood::StallsAfter(0),
            Weather::Fair if !self.moody => return Mood::Answers,
            Weather::Fair => {}
        }
        match dice.below(100) {
            0..2 => Mood::Refuses(500),
            2..3 => Mood::Refuses(429),
            3..5 => Mood::CutsAfter(middle),
            5..6 => Mood::StallsAfter(middle),
            _ => Mood::Answers,
        }
    }
}

impl Shared {
    fn ended(&self, number: usize) {
        self.starts.lock().unwrap()[number].ended = Some(Instant::now());
    }
}

/// However it ends.
impl Drop for Said {
    fn drop(&mut self) {
        self.shared.ended(self.number);
    }
}

async fn answer(State(shared): State<Arc<Shared>>, body: Bytes) -> Response<Body> {
    let body: Value = serde_json::from_slice(&body).unwrap();
    let question = body["messages"][0]["content"].as_str().unwrap();
    let id = answer::id_of(question).unwrap().to_owned();
    let mut pieces = answer::pieces(&id);
    let (number, nth) = {
        let mut starts = shared.starts.lock().unwrap();
        let nth = starts.iter().rev().filter(|start| start.id == id).count();
        starts.push(Start { id: id.clone(), at: Instant::now(), ended: None });
        (starts.len() - 1, nth)
    };
    let mood = shared.mood(&id, nth, pieces.len());
    if shared.loses_a_piece.load(Ordering::Relaxed) {
        pieces.remove(pieces.len() / 2);
    }
    if let Mood::Refuses(status) = mood {
        shared.ended(number);
        let error = json!({"error": {"message": "no", "type": "x", "param": null, "code": "x"}});
        let response = Response::builder().status(status).header("retry-after", "1");
        let response = response.header("content-type", "application/json");
        return response.body(Body::from(error.to_string())).unwrap();
    }
    let mut dice = Dice::of(shared.seed, &format!("pace {id}"));
    let pace = dice.pause(3, 40);
    let said = Said { shared, number, pieces, mood, pace, model: body["model"].clone(), next: 0 };
    if body["stream"] == true { said.streamed() } else { said.whole().await }
}

/// An answer that is being given.
struct Said {
    shared: Arc<Shared>,
    number: usize,
    pieces: Vec<String>,
    mood: Mood,
    pace: Duration,
    model: Value,
    next: usize,
}

impl Said {
    fn usage(&self) -> Value {
        let (input, output) = (answer::INPUT_TOKENS, self.pieces.len() as u64);
        json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output})
    }

    /// The time until the next piece; `false` when the connection breaks instead.
    async fn goes_on(&self) -> bool {
        tokio::time::sleep(self.pace).await;
        match self.mood {
            Mood::CutsAfter(limit) if self.next >= limit => false,
            Mood::StallsAfter(limit) if self.next >= limit => std::future::pending().await,
            _ => true,
        }
    }

    async fn whole(mut self) -> Response<Body> {
        while self.next < self.pieces.len() {
            if !self.goes_on().await {
                let pieces = [Ok(Bytes::from_static(b"{\"id\":")), Err("cut")];
                return Response::new(Body::from_stream(futures::stream::iter(pieces)));
            }
            self.next += 1;
        }
        let body = json!({"id": "x", "object": "chat.completion", "created": 1,
            "model": self.model, "usage": self.usage(),
            "choices": [{"index": 0, "logprobs": null, "finish_reason": "stop",
                "message": {"role": "assistant", "content": self.pieces.concat()}}]});
        let response = Response::builder().header("content-type", "application/json");
        response.body(Body::from(body.to_string())).unwrap()
    }

    fn streamed(self) -> Response<Body> {
        let events = futures::stream::unfold(Some(self), |said| async move {
            let mut said = said?;
            if said.next == said.pieces.len() {
                let end = said.chunk(&json!({}), Some("stop"));
                let usage = json!({"id": "x", "object": "chat.completion.chunk", "created": 1,
                    "model": said.model, "choices": [], "usage": said.usage()});
                let end = format!("{end}data: {usage}\n\ndata: [DONE]\n\n");
                return Some((Ok(Bytes::from(end)), None));
            }
            if !said.goes_on().await {
                return Some((Err("cut"), None));
            }
            let event = said.chunk(&json!({"content": said.pieces[said.next]}), None);
            said.next += 1;
            Some((Ok(Bytes::from(event)), Some(said)))
        });
        let response = Response::builder().header("content-type", "text/event-stream");
        response.body(Body::from_stream(events)).unwrap()
    }

    fn chunk(&self, delta: &Value, finish_reason: Option<&str>) -> String {
        let chunk = json!({"id": "x", "object": "chat.completion.chunk", "created": 1,
            "model": self.model, "choices": [{"index": 0, "delta": delta, "logprobs": null,
            "finish_reason": finish_reason}]});
        format!("data: {chunk}\n\n")
    }
}
