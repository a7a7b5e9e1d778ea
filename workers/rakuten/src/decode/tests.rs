//! Choices into one answer: what is told, what is counted, what ends them.

use super::*;
use crate::calls::{CallFormat, Calls};
use crate::engine::{EngineOptions, GenerateRequest, Sampling};

fn ended(reason: FinishReason, stop: Option<&str>, tokens: [u32; 3]) -> Event {
    let [prompt_tokens, cached_prompt_tokens, completion_tokens] = tokens;
    let usage = Usage { prompt_tokens, cached_prompt_tokens, completion_tokens };
    let stop = stop.map(str::to_owned);
    Event::Finished(Finished { reason, stop, usage, timing: Timing::default() })
}

fn tally(choices: usize) -> Tally {
    Tally { told: vec![false; choices], unfinished: choices, ..Tally::default() }
}

fn charged(ends: &[(usize, [u32; 3])], reason: FinishReason) -> Charged {
    let mut tally = tally(ends.len());
    for (index, tokens) in ends {
        tally.add(*index, ended(reason, None, *tokens), &mut Vec::new());
    }
    let (usage, source) = tally.end().ended.usage.unwrap();
    assert_eq!(source, TokenSource::Counted);
    usage
}

#[test]
fn the_prompt_is_counted_once_in_whatever_order_choices_end() {
    let mut ends = [(0, [898, 24, 2]), (1, [898, 897, 2]), (2, [898, 880, 2])];
    for _ in 0..ends.len() {
        ends.rotate_left(1);
        let usage = charged(&ends, FinishReason::Stop);
        assert_eq!((usage.input, usage.cache_read, usage.output), (874, Some(24), 6));
    }
}

#[test]
fn a_client_who_leaves_pays_for_the_prompt_that_was_read() {
    // In line, just begun, and in the middle of the prompt.
    let ends = [(3, [0, 0, 0]), (1, [160, 159, 3]), (0, [160, 0, 4]), (2, [126, 120, 0])];
    let usage = charged(&ends, FinishReason::Cancelled);
    assert_eq!((usage.input, usage.cache_read, usage.output), (160, None, 7));
}

#[test]
fn nothing_is_counted_of_what_never_began() {
    let mut tally = tally(1);
    tally.add(0, ended(FinishReason::Cancelled, None, [0, 0, 0]), &mut Vec::new());
    let decoded = tally.end();
    assert!(decoded.ended.usage.is_none() && decoded.ended.problem.is_some());
}

#[test]
fn the_text_that_ended_an_answer_is_told() {
    let mut pieces = Vec::new();
    tally(1).add(0, ended(FinishReason::Stop, Some("bet"), [3, 0, 1]), &mut pieces);
    let last = pieces.pop().unwrap();
    assert_eq!(last.finish_reason, Some(Finish::Stop));
    assert_eq!(last.delta.rest[STOP_REASON], "stop_sequence");
    assert_eq!(last.delta.rest[STOP_SEQUENCE], "bet");
    tally(1).add(0, ended(FinishReason::Stop, None, [3, 0, 1]), &mut pieces);
    assert!(pieces.pop().unwrap().delta.rest.is_empty());
}

/// What a choice with calls says until a text of `stops` ends it: words, arguments, the end.
fn said(more: Value, stops: &[&str], answer: &str) -> (String, String, ChunkChoice, bool) {
    let mut body = json!({"model": "m", "messages": [], "tools": [{"type": "function",
        "function": {"name": "time", "parameters": {"type": "object"}}}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let chat = serde_json::from_value(body).unwrap();
    let calls = Calls::of(&chat, CallFormat::Hermes).unwrap().unwrap();
    let cancel = CancellationToken::new();
    let mut tally = tally(1);
    tally.spoken.push(Spoken {
        reader: calls.reader("c".into(), calls.grammar(None).is_some()),
        stops: StopMatcher::new(stops.iter().map(ToString::to_string).collect()),
        stop: None,
        cancel: cancel.clone(),
    });
    let mut pieces = Vec::new();
    for letter in answer.chars() {
        let text = letter.to_string();
        tally.add(0, Event::Text { text, logprobs: Vec::new() }, &mut pieces);
    }
    let (is_cancelled, reason) = match cancel.is_cancelled() {
        true => (true, FinishReason::Cancelled),
        false => (false, FinishReason::Stop),
    };
    tally.add(0, ended(reason, None, [3, 0, 9]), &mut pieces);
    assert!(tally.problem.is_none());
    let last = pieces.pop().unwrap();
    let words = pieces.iter().filter_map(|piece| piece.delta.content.as_deref()).collect();
    let calls = pieces.iter().filter_map(|piece| piece.delta.tool_calls.as_ref()).flatten();
    let arguments = calls.filter_map(|call| call["function"]["arguments"].as_str()).collect();
    (words, arguments, last, is_cancelled)
}

#[test]
fn a_text_that_ends_answers_does_not_end_a_call() {
    let call = "{\"name\": \"time\", \"arguments\": {\"city\":\"Tokyo\"}}\n</tool_call>";
    let required = json!({"tool_choice": "required"});
    for stop in ["Tokyo", "\"", "</tool_call>"] {
        let (words, arguments, last, _) = said(required.clone(), &[stop], call);
        assert_eq!((words.as_str(), arguments.as_str()), ("", "{\"city\":\"Tokyo\"}"));
        assert_eq!(last.finish_reason, Some(Finish::ToolCalls));
    }
    let answer = format!("I look.<tool_call>\n{call}");
    let (words, arguments, last, _) = said(json!({}), &["Tokyo", "look.x"], &answer);
    assert_eq!((words.as_str(), arguments.as_str()), ("I look.", "{\"city\":\"Tokyo\"}"));
    assert_eq!(last.finish_reason, Some(Finish::ToolCalls));
}

#[test]
fn it_ends_words_beside_which_functions_may_be_called() {
    let (words, arguments, last, is_cancelled) = said(json!({}), &["END"], "a b EN END c");
    assert_eq!((words.as_str(), arguments.as_str()), ("a b EN ", ""));
    assert!(is_cancelled);
    assert_eq!(last.finish_reason, Some(Finish::Stop));
    assert_eq!(last.delta.rest[STOP_SEQUENCE], "END");
    let (words, _, last, _) = said(json!({}), &["END"], "a EN");
    assert_eq!((words.as_str(), last.finish_reason), ("a EN", Some(Finish::Stop)));
}

/// The demo model's file.
#[expect(clippy::disallowed_methods, reason = "the environment says where a test's model is")]
fn model_file() -> std::path::PathBuf {
    let home = || std::path::PathBuf::from(std::env::var_os("HOME").unwrap());
    let usual = || home().join(".cache/fly-llm/models/SmolLM2-135M-Instruct.Q4_1.gguf");
    std::env::var_os("FLY_LLM_TEST_MODEL").map_or_else(usual, Into::into)
}

#[test]
fn a_choice_begins_in_the_jobs_own_slot_or_an_idle_one() {
    let at = |slots_busy, waiting| Status { slots: 4, slots_busy, waiting, ..Status::default() };
    let (mut fresh, running) = (tally(0), tally(1));
    assert!(fresh.may_begin(at(4, 9)));
    assert!(running.may_begin(at(2, 1)));
    assert!(!running.may_begin(at(3, 1)) && !running.may_begin(at(4, 0)));
    fresh.problem = Some(stopped());
    assert!(!fresh.may_begin(at(0, 0)));
}

/// Notes what comes, and may leave at the first piece.
struct Heard {
    engine: Engine,
    ended: usize,
    line: usize,
    leaves: Option<CancellationToken>,
}

impl Listener for Heard {
    async fn pieces(&mut self, pieces: Vec<ChunkChoice>) {
        self.ended += pieces.iter().filter(|piece| piece.finish_reason.is_some()).count();
        self.line = self.line.max(self.engine.status().waiting);
        if !pieces.is_empty() {
            self.leaves.iter().for_each(CancellationToken::cancel);
        }
    }
}

#[tokio::test]
async fn more_choices_than_slots_are_written_and_leave_room_for_others() {
    let options = EngineOptions {
        slots: 2,
        context_tokens_per_slot: 256,
        threads: Some(2),
        ..EngineOptions::new(model_file())
    };
    let engine = Engine::load(options).unwrap();
    let cancel = CancellationToken::new();
    let asked = |text: &str| GenerateRequest {
        sampling: Sampling::greedy(),
        tokens_max: Some(3),
        cancel: cancel.child_token(),
        ..GenerateRequest::new(engine.prompt_of_text(text).unwrap())
    };
    let of = |requests| Translated { requests, calls: None, stops: Vec::new() };
    let id = RequestId::fresh();
    let text = "The capital of France is";
    let mut heard = Heard { engine: engine.clone(), ended: 0, line: 0, leaves: None };
    let decoded = told(&engine, of(vec![asked(text); 12]), &id, &mut heard).await;
    assert!(decoded.ended.problem.is_none());
    assert_eq!(heard.ended, 12);
    assert!(heard.line <= 2, "no more than the slots, and not for long: {}", heard.line);
    let (usage, _) = decoded.ended.usage.unwrap();
    let prompt = engine.prompt_of_text(text).unwrap().tokens().len() as u64;
    assert_eq!((usage.input, usage.cache_read, usage.output), (prompt, None, 36));
    // Who leaves ends those that have not begun, too.
    heard.leaves = Some(cancel.clone());
    let decoded = told(&engine, of(vec![asked("Once upon"); 12]), &id, &mut heard).await;
    assert!(decoded.ended.problem.is_some() && !decoded.engine_died);
    assert!(decoded.ended.usage.unwrap().0.output < 36);
    engine.stop();
}
