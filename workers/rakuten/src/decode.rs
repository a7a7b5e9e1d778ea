//! One job's answer out of the engine: the events of its choices, gathered while they are there and
//! never waited for, sent as pieces. It counts with the model's own tokenizer.

use crate::calls::{CallReader, Piece};
use crate::engine::{Engine, EngineError, Matched, Status, StopMatcher};
use crate::engine::{Event, FinishReason, Finished, Timing, TokenLogprob, Usage};
use crate::translate::{Translated, problem, stopped};
use futures::StreamExt;
use schemas::anthropic::{STOP_REASON, STOP_SEQUENCE};
use schemas::error::Problem;
use schemas::ids::RequestId;
use schemas::openai::{ChunkChoice, DeltaMessage, FinishReason as Finish};
use schemas::usage::{TokenSource, Usage as Charged};
use serde_json::{Value, json};
use std::collections::VecDeque;
use tokio_stream::StreamMap;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use worker_job::{Ended, Reply};

/// Events that are gathered into one message at most.
const EVENTS_GATHERED_MAX: usize = 64;

/// A choice where functions may be called: its words are told from its calls, and only in words a
/// text ends the answer.
struct Spoken {
    reader: CallReader,
    stops: StopMatcher,
    /// The text that has ended it.
    stop: Option<String>,
    cancel: CancellationToken,
}

/// What became of the choices so far.
#[derive(Default)]
struct Tally {
    /// Of the first choice whose prompt was worked on: the others find it in the context.
    prompt: Option<(usize, Usage)>,
    output: u64,
    told: Vec<bool>,
    /// Of each choice, where functions may be called.
    spoken: Vec<Spoken>,
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

/// Runs the requests of one job, each the choice of its index. A job has one slot of its own; its
/// further choices take those that nobody else wants, or come one after another.
pub(crate) async fn decode(
    engine: &Engine,
    translated: Translated,
    request: &RequestId,
    reply: &mut Reply,
) -> Decoded {
    told(engine, translated, request, reply).await
}

/// Who hears the pieces.
trait Listener: Send {
    fn pieces(&mut self, pieces: Vec<ChunkChoice>) -> impl Future<Output = ()> + Send;
}

impl Listener for Reply {
    async fn pieces(&mut self, pieces: Vec<ChunkChoice>) {
        Self::pieces(self, pieces).await;
    }
}

async fn told(
    engine: &Engine,
    translated: Translated,
    request: &RequestId,
    listener: &mut impl Listener,
) -> Decoded {
    let mut events = StreamMap::new();
    let mut tally = Tally::new(&translated, request);
    let mut waiting: VecDeque<_> = translated.requests.into_iter().enumerate().collect();
    let mut gathered = Vec::new();
    loop {
        while tally.may_begin(engine.status()) {
            let Some((index, request)) = waiting.pop_front() else { break };
            match engine.generate(request.clone()) {
                Ok(receiver) => {
                    tally.unfinished += 1;
                    events.insert(index, ReceiverStream::new(receiver));
                }
                Err(EngineError::Busy { .. }) if tally.unfinished > 0 => {
                    waiting.push_front((index, request));
                    break;
                }
                Err(error) => tally.fail(&error),
            }
        }
        gathered.clear();
        let next = futures::StreamExt::ready_chunks(&mut events, EVENTS_GATHERED_MAX).next().await;
        let Some(next) = next else { break };
        for (index, event) in next {
            tally.add(index, event, &mut gathered);
        }
        listener.pieces(std::mem::take(&mut gathered)).await;
    }
    tally.end()
}

impl Tally {
    fn new(translated: &Translated, request: &RequestId) -> Self {
        let choices = translated.requests.iter().enumerate();
        let spoken = translated.calls.as_ref().map(|calls| {
            let one = |(choice, asked): (usize, &crate::engine::GenerateRequest)| Spoken {
                reader: calls.reader(call_id(request, choice), asked.grammar.is_some()),
                stops: StopMatcher::new(translated.stops.clone()),
                stop: None,
                cancel: asked.cancel.clone(),
            };
            choices.map(one).collect()
        });
        Self {
            told: vec![false; translated.requests.len()],
            spoken: spoken.unwrap_or_default(),
            ..Self::default()
        }
    }

    /// Whether a further choice may begin: in the job's own slot, or in one that is idle.
    fn may_begin(&self, now: Status) -> bool {
        let has_own = self.unfinished == 0;
        self.problem.is_none() && (has_own || now.slots_busy + now.waiting < now.slots)
    }

    fn fail(&mut self, error: &EngineError) {
        self.engine_died |= *error == EngineError::Stopped;
        self.problem = Some(problem(error));
    }

    fn add(&mut self, index: usize, event: Event, pieces: &mut Vec<ChunkChoice>) {
        match event {
            Event::Started { .. } => {}
            Event::Text { text, logprobs } => {
                let logprobs = (!logprobs.is_empty()).then(|| described(&logprobs));
                let Some(spoken) = self.spoken.get_mut(index) else {
                    let piece = ChunkChoice::text(number(index), text);
                    return pieces.push(ChunkChoice { logprobs, ..self.begun(index, piece) });
                };
                let read = spoken.push(&text);
                self.read(index, read, logprobs, pieces);
            }
            Event::Finished(finished) => {
                self.unfinished -= 1;
                self.count(index, finished.usage);
                self.timings.push(finished.timing);
                self.finish(index, finished, pieces);
            }
            Event::Failed(error) => {
                self.unfinished -= 1;
                self.fail(&error);
            }
        }
    }

    /// A choice's last pieces, and why it ended.
    fn finish(&mut self, index: usize, finished: Finished, pieces: &mut Vec<ChunkChoice>) {
        let rest = self.spoken.get_mut(index).map(Spoken::finish);
        self.read(index, rest.unwrap_or_default(), None, pieces);
        let spoken = self.spoken.get_mut(index);
        let calls = spoken.as_ref().map_or(0, |spoken| spoken.reader.calls());
        let stop = spoken.and_then(|spoken| spoken.stop.take()).or(finished.stop);
        let reason = match finished.reason {
            _ if stop.is_some() => Finish::Stop,
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
            let mut piece = ChunkChoice::text(number(index), "");
            piece.delta.role = Some(role);
            pieces.push(piece);
        }
        let mut delta = DeltaMessage::default();
        if let Some(stop) = stop {
            // Anthropic's surface tells which text it was.
            delta.rest.insert(STOP_REASON.to_owned(), STOP_SEQUENCE.into());
            delta.rest.insert(STOP_SEQUENCE.to_owned(), stop.into());
        }
        let finish_reason = Some(reason);
        pieces.push(ChunkChoice { index: number(index), delta, logprobs: None, finish_reason });
    }

    /// What a reader of calls made of a text; log probabilities go with words.
    fn read(
        &mut self,
        index: usize,
        read: Vec<Piece>,
        mut logprobs: Option<Value>,
        pieces: &mut Vec<ChunkChoice>,
    ) {
        let choice = number(index);
        for piece in read {
            let call = match piece {
                Piece::Text(text) => {
                    let logprobs = logprobs.take();
                    let piece = ChunkChoice { logprobs, ..ChunkChoice::text(choice, text) };
                    pieces.push(self.begun(index, piece));
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
            pieces.push(self.begun(index, piece));
        }
    }

    /// A choice's first piece says who speaks.
    fn begun(&mut self, index: usize, mut piece: ChunkChoice) -> ChunkChoice {
        piece.delta.role = self.role(index);
        piece
    }

    fn role(&mut self, index: usize) -> Option<String> {
        let told = self.told.get_mut(index)?;
        (!std::mem::replace(told, true)).then(|| "assistant".to_owned())
    }

    /// The prompt is read once, however many choices are written, in whatever order they end: what
    /// further choices find of it in the context is the first one's work.
    fn count(&mut self, index: usize, usage: Usage) {
        self.output += u64::from(usage.completion_tokens);
        let is_first = self.prompt.is_none_or(|(first, _)| index < first);
        if usage.prompt_tokens > 0 && is_first {
            self.prompt = Some((index, usage));
        }
    }

    fn end(mut self) -> Decoded {
        if self.unfinished > 0 {
            // The channel closed without an end: the engine's thread is gone.
            self.fail(&EngineError::Stopped);
        }
        let source =
            if self.unfinished == 0 { TokenSource::Counted } else { TokenSource::Estimated };
        let usage = self.prompt.map(|(_, usage)| {
            let prompt = u64::from(usage.prompt_tokens);
            let cached = u64::from(usage.cached_prompt_tokens).min(prompt);
            let charged = Charged {
                input: prompt - cached,
                cache_read: (cached > 0).then_some(cached),
                output: self.output,
                ..Charged::default()
            };
            (charged, source)
        });
        let ended = Ended { usage, problem: self.problem };
        Decoded { ended, engine_died: self.engine_died, timings: self.timings }
    }
}

impl Spoken {
    /// Takes more of the choice; what stands behind a text that ends it is nobody's.
    fn push(&mut self, text: &str) -> Vec<Piece> {
        if self.stop.is_some() {
            return Vec::new();
        }
        let read = self.reader.push(text);
        self.stopped(read)
    }

    /// The rest of the choice.
    fn finish(&mut self) -> Vec<Piece> {
        if self.stop.is_some() {
            return Vec::new();
        }
        let read = self.reader.finish();
        let mut pieces = self.stopped(read);
        pieces.extend(self.held());
        pieces
    }

    fn stopped(&mut self, read: Vec<Piece>) -> Vec<Piece> {
        let mut pieces = Vec::with_capacity(read.len());
        for piece in read {
            let Piece::Text(text) = piece else {
                pieces.extend(self.held());
                pieces.push(piece);
                continue;
            };
            match self.stops.push(&text) {
                Matched::Open(text) if text.is_empty() => {}
                Matched::Open(text) => pieces.push(Piece::Text(text)),
                Matched::Stopped { text, stop } => {
                    if !text.is_empty() {
                        pieces.push(Piece::Text(text));
                    }
                    self.stop = Some(stop);
                    self.cancel.cancel();
                    break;
                }
            }
        }
        pieces
    }

    /// Words that were held back because they could have become a text that ends the choice.
    fn held(&mut self) -> Option<Piece> {
        Some(self.stops.finish()).filter(|text| !text.is_empty()).map(Piece::Text)
    }
}

fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
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

#[cfg(test)]
mod tests;
