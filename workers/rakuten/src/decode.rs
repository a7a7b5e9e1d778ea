//! One job's answer out of the engine: the events of its choices, gathered while they are there and
//! never waited for, sent as pieces. It counts with the model's own tokenizer.

use crate::calls::{CallReader, Piece};
use crate::engine::{Engine, EngineError};
use crate::engine::{Event, FinishReason, Timing, TokenLogprob, Usage};
use crate::translate::{Translated, problem};
use futures::StreamExt;
use schemas::error::{ErrorCode, Problem};
use schemas::ids::RequestId;
use schemas::openai::{ChunkChoice, DeltaMessage, FinishReason as Finish};
use schemas::usage::{TokenSource, Usage as Charged};
use serde_json::{Value, json};
use tokio_stream::StreamMap;
use tokio_stream::wrappers::ReceiverStream;
use worker_job::{Ended, Reply};

/// Events that are gathered into one message at most.
const EVENTS_GATHERED_MAX: usize = 64;

/// What became of the choices so far.
#[derive(Default)]
struct Tally {
    usage: Charged,
    cached: u64,
    told: Vec<bool>,
    /// Of each choice, where functions may be called.
    readers: Vec<CallReader>,
    unfinished: usize,
    timings: Vec<Timing>,
    problem: Option<Problem>,
    engine_died: bool,
}

/// The end of an answer, and whether the engine died with it.
pub(crate) struct Decoded {
    pub(crate) ended: Ended,
    pub(crate) engine_died: bool,
    /// Of each choice that ended in order.
    pub(crate) timings: Vec<Timing>,
}

/// Runs the requests of one job, each the choice of its index.
pub(crate) async fn decode(
    engine: &Engine,
    translated: Translated,
    request: &RequestId,
    reply: &mut Reply,
) -> Decoded {
    let mut events = StreamMap::new();
    let Translated { requests, calls } = translated;
    let reader = |choice| calls.as_ref().map(|calls| calls.reader(call_id(request, choice)));
    let readers = (0..requests.len()).filter_map(reader).collect();
    let mut tally = Tally { told: vec![false; requests.len()], readers, ..Tally::default() };
    for (index, request) in requests.into_iter().enumerate() {
        match engine.generate(request) {
            Ok(receiver) => {
                tally.unfinished += 1;
                events.insert(index, ReceiverStream::new(receiver));
            }
            Err(error) => return tally.refused(&error),
        }
    }
    let mut gathered = Vec::new();
    loop {
        gathered.clear();
        let next = futures::StreamExt::ready_chunks(&mut events, EVENTS_GATHERED_MAX).next().await;
        let Some(next) = next else { break };
        for (index, event) in next {
            tally.add(index, event, &mut gathered);
        }
        reply.pieces(std::mem::take(&mut gathered)).await;
    }
    tally.end()
}

impl Tally {
    fn refused(self, error: &EngineError) -> Decoded {
        let ended = Ended { usage: None, problem: Some(problem(error)) };
        let engine_died = *error == EngineError::Stopped;
        Decoded { ended, engine_died, timings: self.timings }
    }

    fn add(&mut self, index: usize, event: Event, pieces: &mut Vec<ChunkChoice>) {
        let choice = u32::try_from(index).unwrap_or(u32::MAX);
        match event {
            Event::Started { .. } => {}
            Event::Text { text, logprobs } => {
                let logprobs = (!logprobs.is_empty()).then(|| described(&logprobs));
                let Some(reader) = self.readers.get_mut(index) else {
                    let piece = ChunkChoice::text(choice, text);
                    return pieces.push(ChunkChoice { logprobs, ..self.spoken(index, piece) });
                };
                let read = reader.push(&text);
                self.read(index, read, logprobs, pieces);
            }
            Event::Finished(finished) => {
                self.unfinished -= 1;
                self.count(finished.usage);
                self.timings.push(finished.timing);
                let rest = self.readers.get_mut(index).map(CallReader::finish);
                self.read(index, rest.unwrap_or_default(), None, pieces);
                let calls = self.readers.get(index).map_or(0, CallReader::calls);
                let reason = match finished.reason {
                    FinishReason::Stop if calls > 0 => Finish::ToolCalls,
                    FinishReason::Stop => Finish::Stop,
                    FinishReason::Length => Finish::Length,
                    FinishReason::Cancelled => {
                        self.problem = Some(stopped());
                        return;
                    }
                };
                if let Some(role) = self.role(index) {
                    // An answer without a text: typed clients want its content all the same.
                    let mut piece = ChunkChoice::text(choice, "");
                    piece.delta.role = Some(role);
                    pieces.push(piece);
                }
                pieces.push(ChunkChoice {
                    index: choice,
                    delta: DeltaMessage::default(),
                    logprobs: None,
                    finish_reason: Some(reason),
                });
            }
            Event::Failed(error) => {
                self.unfinished -= 1;
                self.engine_died |= error == EngineError::Stopped;
                self.problem = Some(problem(&error));
            }
        }
    }

    /// What a reader of calls made of a text; log probabilities go with words.
    fn read(
        &mut self,
        index: usize,
        read: Vec<Piece>,
        mut logprobs: Option<Value>,
        pieces: &mut Vec<ChunkChoice>,
    ) {
        let choice = u32::try_from(index).unwrap_or(u32::MAX);
        for piece in read {
            let call = match piece {
                Piece::Text(text) => {
                    let logprobs = logprobs.take();
                    let piece = ChunkChoice { logprobs, ..ChunkChoice::text(choice, text) };
                    pieces.push(self.spoken(index, piece));
                    continue;
                }
                Piece::Begin { index, id, name } => {
                    let function = json!({"name": name, "arguments": ""});
                    json!({"index": index, "id": id, "type": "function", "function": function})
                }
                Piece::Arguments { index, text } => {
                    json!({"index": index, "function": {"arguments": text}})
                }
            };
            let delta = DeltaMessage { tool_calls: Some(vec![call]), ..DeltaMessage::default() };
            let piece = ChunkChoice { index: choice, delta, logprobs: None, finish_reason: None };
            pieces.push(self.spoken(index, piece));
        }
    }

    /// A choice's first piece says who speaks.
    fn spoken(&mut self, index: usize, mut piece: ChunkChoice) -> ChunkChoice {
        piece.delta.role = self.role(index);
        piece
    }

    fn role(&mut self, index: usize) -> Option<String> {
        let told = self.told.get_mut(index)?;
        (!std::mem::replace(told, true)).then(|| "assistant".to_owned())
    }

    /// The prompt is read once, however many choices are written.
    fn count(&mut self, usage: Usage) {
        let prompt = u64::from(usage.prompt_tokens);
        self.cached = self.cached.max(u64::from(usage.cached_prompt_tokens)).min(prompt);
        self.usage.input = prompt - self.cached;
        self.usage.cache_read = (self.cached > 0).then_some(self.cached);
        self.usage.output += u64::from(usage.completion_tokens);
    }

    fn end(mut self) -> Decoded {
        if self.unfinished > 0 {
            // The channel closed without an end: the engine's thread is gone.
            self.engine_died = true;
            self.problem = Some(problem(&EngineError::Stopped));
        }
        let counted = self.usage.input + self.usage.cache_read.unwrap_or(0) > 0;
        let source =
            if self.unfinished == 0 { TokenSource::Counted } else { TokenSource::Estimated };
        let usage = counted.then_some((self.usage, source));
        let ended = Ended { usage, problem: self.problem };
        Decoded { ended, engine_died: self.engine_died, timings: self.timings }
    }
}

/// What the names of a choice's calls begin with: no other answer has it.
fn call_id(request: &RequestId, choice: usize) -> String {
    format!("call_{}_{choice}_", request.to_string().trim_start_matches("req_"))
}

/// OpenAI's form of log probabilities.
fn described(logprobs: &[TokenLogprob]) -> Value {
    let one = |token: &TokenLogprob| {
        json!({
            "token": String::from_utf8_lossy(&token.bytes),
            "logprob": token.logprob,
            "bytes": token.bytes,
        })
    };
    let content: Vec<Value> = logprobs
        .iter()
        .map(|token| {
            let mut described = one(token);
            described["top_logprobs"] = token.top.iter().map(one).collect();
            described
        })
        .collect();
    json!({"content": content, "refusal": null})
}

fn stopped() -> Problem {
    Problem::new(
        ErrorCode::StreamInterrupted,
        "回答は途中で止められました。生成された分だけが課金されます。",
        "The answer was stopped. Only what was produced is charged.",
    )
}
