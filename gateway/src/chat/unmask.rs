//! Placeholders → personal data, on the way out: in text, in reasoning, in tool arguments and in
//! what is passed on beside them, also when a placeholder is cut by the border of two pieces. Only
//! the tail that may still become a placeholder is held back. A value inside of JSON is written as
//! JSON writes it. What is restored goes to the client and nowhere else.

use super::Event;
use crate::pii::{Restorer, Vault};
use schemas::openai::{AnswerChoice, ChatRequest, ChunkChoice};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Texts that grow at once in one answer; what would be beyond is passed on as it came.
const TEXTS_MAX: usize = 4_096;

/// What JSON begins with, fenced or not.
const JSON_BEGINS: [char; 4] = ['{', '[', '"', '`'];

/// Where texts grow in what is passed on beside the usual ones: a call of the old kind, and sound.
const FUNCTION: (&str, &str) = ("function_call", "arguments");
const SOUND: (&str, &str) = ("audio", "transcript");

/// Which text of an answer grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Content,
    Refusal,
    Reasoning,
    /// What a sound says.
    Transcript,
    /// The arguments of a function call of the old kind.
    Function,
    /// The arguments of a tool call.
    Call(u64),
    /// What a tool without a schema is given.
    Input(u64),
}

/// Restores one answer.
pub(super) struct Unmask {
    /// Absent when nothing was masked.
    vault: Option<Vault>,
    /// The text was asked for as JSON.
    wants_json: bool,
    summary: String,
    growing: BTreeMap<(u32, Place), Box<Restorer>>,
}

impl Unmask {
    /// Restores what the vault holds, in an answer to a request.
    pub(super) fn new(vault: Vault, chat: &ChatRequest) -> Self {
        let format = chat.response_format.as_ref().and_then(|format| format["type"].as_str());
        let wants_json = format.is_some_and(|format| format.starts_with("json"));
        let counts = vault.counts().into_iter();
        let counts: Vec<String> =
            counts.map(|(kind, count)| format!("{}={count}", kind.as_str())).collect();
        let vault = (!vault.is_empty()).then_some(vault);
        Self { vault, wants_json, summary: counts.join(","), growing: BTreeMap::new() }
    }

    /// How many pieces of which kinds are to be restored: never the values.
    pub(super) fn summary(&self) -> &str {
        &self.summary
    }

    /// Restores an event.
    pub(super) fn event(&mut self, event: Event) -> Event {
        if self.vault.is_none() {
            return event;
        }
        match event {
            Event::Pieces(pieces) => {
                Event::Pieces(pieces.into_iter().map(|piece| self.piece(piece)).collect())
            }
            Event::Whole(choices) => {
                Event::Whole(choices.into_iter().map(|choice| self.whole(choice)).collect())
            }
            Event::Waiting | Event::Queued(_) | Event::Done(_) | Event::Failed(_) => event,
        }
    }

    fn piece(&mut self, mut piece: ChunkChoice) -> ChunkChoice {
        let (index, ends) = (piece.index, piece.finish_reason.is_some());
        let delta = &mut piece.delta;
        let says_more = delta.content.is_some() || delta.refusal.is_some();
        let calls_more = delta.tool_calls.is_some();
        for (place, text) in [
            (Place::Content, &mut delta.content),
            (Place::Refusal, &mut delta.refusal),
            (Place::Reasoning, &mut delta.reasoning_content),
        ] {
            let restored = text.take().map(|text| self.push(index, place, &text));
            // What something else follows has ended: its tail must not come after that.
            let is_followed = calls_more || (says_more && place == Place::Reasoning);
            let is_over = ends || is_followed;
            *text = join(restored, is_over.then(|| self.finish(index, place)).flatten());
        }
        if let Some(calls) = &mut delta.tool_calls {
            self.push_calls(index, calls);
        }
        for (place, text) in texts_of_rest(&mut delta.rest) {
            *text = self.push(index, place, text);
        }
        self.restore_rest(&mut delta.rest);
        if ends {
            self.finish_others(index, &mut piece);
        }
        piece
    }

    /// Restores what is said of calls. What was held back of the calls before one that begins comes
    /// before it: who is told that another call begins takes those before it for ended.
    fn push_calls(&mut self, index: u32, calls: &mut Vec<Value>) {
        let mut said = Vec::with_capacity(calls.len());
        for mut call in calls.drain(..) {
            let number = call["index"].as_u64().unwrap_or(0);
            let is_known = |place| self.growing.contains_key(&(index, place));
            if !is_known(Place::Call(number)) && !is_known(Place::Input(number)) {
                said.extend(self.tails_of_calls(index));
            }
            for (place, text) in texts_of_call(number, &mut call) {
                *text = self.push(index, place, text);
            }
            said.push(call);
        }
        *calls = said;
    }

    /// What was held back of the calls of a choice. Some vendors go on with a call behind the
    /// beginning of another: where in its JSON it is stays known.
    fn tails_of_calls(&mut self, index: u32) -> Vec<Value> {
        let calls = (index, Place::Call(0))..=(index, Place::Input(u64::MAX));
        let tails = self.growing.range_mut(calls).filter_map(|((_, place), restorer)| {
            let rest = Some(restorer.finish()).filter(|rest| !rest.is_empty())?;
            piece_of_call(*place, &rest)
        });
        tails.collect()
    }

    /// What was held back of all but the three texts comes with the choice's end.
    fn finish_others(&mut self, index: u32, piece: &mut ChunkChoice) {
        let of_choice = self.growing.keys().filter(|(choice, _)| *choice == index);
        let places: Vec<Place> = of_choice.map(|(_, place)| *place).collect();
        let delta = &mut piece.delta;
        for place in places {
            let Some(rest) = self.finish(index, place) else { continue };
            match place {
                Place::Function => add(&mut delta.rest, FUNCTION, &rest),
                Place::Transcript => add(&mut delta.rest, SOUND, &rest),
                place => {
                    let Some(call) = piece_of_call(place, &rest) else { continue };
                    delta.tool_calls.get_or_insert_default().push(call);
                }
            }
        }
    }

    fn whole(&mut self, mut choice: AnswerChoice) -> AnswerChoice {
        let index = choice.index;
        let message = &mut choice.message;
        for (place, text) in [
            (Place::Content, &mut message.content),
            (Place::Refusal, &mut message.refusal),
            (Place::Reasoning, &mut message.reasoning_content),
        ] {
            let restored = text.take().map(|text| self.push(index, place, &text));
            *text = join(restored, self.finish(index, place));
        }
        let calls = message.tool_calls.iter_mut().flatten().enumerate();
        let of_calls = calls.flat_map(|(number, call)| texts_of_call(number as u64, call));
        for (place, text) in of_calls.chain(texts_of_rest(&mut message.rest)) {
            let restored = self.push(index, place, text);
            *text = restored + &self.finish(index, place).unwrap_or_default();
        }
        self.restore_rest(&mut message.rest);
        choice
    }

    /// Restores whatever else is passed on: its texts come whole.
    fn restore_rest(&self, rest: &mut Map<String, Value>) {
        let Some(vault) = &self.vault else { return };
        let grows = |name: &str| [FUNCTION.0, SOUND.0].contains(&name);
        rest.iter_mut()
            .filter(|(name, _)| !grows(name))
            .for_each(|(_, value)| restore_all(vault, value));
    }

    fn push(&mut self, index: u32, place: Place, text: &str) -> String {
        let Some(vault) = &self.vault else { return text.to_owned() };
        if let Some(restorer) = self.growing.get_mut(&(index, place)) {
            return restorer.push(text);
        }
        // What it is shows with its first character.
        let Some(first) = text.trim_start().chars().next() else { return text.to_owned() };
        if self.growing.len() >= TEXTS_MAX {
            return text.to_owned();
        }
        let is_json = match place {
            Place::Call(_) | Place::Function => true,
            // Who was asked for JSON may refuse in plain words.
            Place::Content => self.wants_json && JSON_BEGINS.contains(&first),
            Place::Refusal | Place::Reasoning | Place::Transcript | Place::Input(_) => false,
        };
        let restorer = if is_json { vault.json_restorer() } else { vault.restorer() };
        self.growing.entry((index, place)).or_insert(Box::new(restorer)).push(text)
    }

    fn finish(&mut self, index: u32, place: Place) -> Option<String> {
        let mut restorer = self.growing.remove(&(index, place))?;
        Some(restorer.finish()).filter(|rest| !rest.is_empty())
    }
}

/// A piece of a tool call that says more of its text.
fn piece_of_call(place: Place, text: &str) -> Option<Value> {
    match place {
        Place::Call(call) => Some(json!({"index": call, "function": {"arguments": text}})),
        Place::Input(call) => Some(json!({"index": call, "custom": {"input": text}})),
        _ => None,
    }
}

/// The texts of a tool call.
fn texts_of_call(number: u64, call: &mut Value) -> impl Iterator<Item = (Place, &mut String)> {
    let fields = call.as_object_mut().into_iter().flat_map(Map::iter_mut);
    fields.filter_map(move |(name, of)| match name.as_str() {
        "function" => Some((Place::Call(number), text_in(of, "arguments")?)),
        "custom" => Some((Place::Input(number), text_in(of, "input")?)),
        _ => None,
    })
}

/// The texts that grow in what is passed on.
fn texts_of_rest(rest: &mut Map<String, Value>) -> impl Iterator<Item = (Place, &mut String)> {
    rest.iter_mut().filter_map(|(name, of)| match name.as_str() {
        name if name == FUNCTION.0 => Some((Place::Function, text_in(of, FUNCTION.1)?)),
        name if name == SOUND.0 => Some((Place::Transcript, text_in(of, SOUND.1)?)),
        _ => None,
    })
}

fn text_in<'a>(value: &'a mut Value, field: &str) -> Option<&'a mut String> {
    match value.get_mut(field) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

/// Adds to a text in what is passed on.
fn add(rest: &mut Map<String, Value>, (name, field): (&str, &str), more: &str) {
    let of = rest.entry(name).or_insert_with(|| json!({}));
    match text_in(of, field) {
        Some(text) => text.push_str(more),
        None => *of = json!({field: more}),
    }
}

fn restore_all(vault: &Vault, value: &mut Value) {
    match value {
        Value::String(text) => *text = vault.restore(text),
        Value::Array(values) => values.iter_mut().for_each(|value| restore_all(vault, value)),
        Value::Object(fields) => fields.values_mut().for_each(|value| restore_all(vault, value)),
        _ => {}
    }
}

fn join(text: Option<String>, rest: Option<String>) -> Option<String> {
    match (text, rest) {
        (Some(text), Some(rest)) => Some(text + &rest),
        (text, rest) => text.or(rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pii::{Masker, Settings};
    use std::collections::BTreeSet;
    use std::sync::LazyLock;

    /// Three lines behind a placeholder.
    const VALUE: &str = "-----BEGIN PRIVATE KEY-----\n\
        MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7\n-----END PRIVATE KEY-----";

    const MAIL: &str = "hanako@example.com";

    static VAULT: LazyLock<Vault> = LazyLock::new(|| {
        let masker = Masker::new(Settings::default()).unwrap();
        let (masked, _, vault) = masker.mask_text(&format!("{VALUE} {MAIL}")).unwrap();
        assert_eq!(masked, "[SECRET_1] [EMAIL_1]");
        vault
    });

    fn unmask(format: &Value) -> Unmask {
        let chat = json!({"model": "m", "messages": [], "response_format": format});
        Unmask::new(VAULT.clone(), &serde_json::from_value(chat).unwrap())
    }

    /// What a client puts together of a delta's text that comes in two pieces, cut anywhere.
    fn streamed(format: &Value, delta: impl Fn(&str) -> Value, pointer: &str, said: &str) {
        let cuts = said.char_indices().map(|(at, _)| at);
        let mut seen = BTreeSet::new();
        for cut in cuts {
            let mut unmask = unmask(format);
            let (first, second) = said.split_at(cut);
            let mut text = String::new();
            for (delta, end) in
                [(delta(first), None), (delta(second), None), (json!({}), Some("stop"))]
            {
                let piece = json!({"index": 0, "delta": delta, "finish_reason": end});
                let pieces = vec![serde_json::from_value(piece).unwrap()];
                let Event::Pieces(pieces) = unmask.event(Event::Pieces(pieces)) else { panic!() };
                let piece = serde_json::to_value(&pieces[0]).unwrap();
                text += piece.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            }
            seen.insert(text);
        }
        let message = delta(said);
        let choice = json!({"index": 0, "message": message, "finish_reason": "stop"});
        let choice = serde_json::from_value(choice_of(choice)).unwrap();
        let Event::Whole(choices) = unmask(format).event(Event::Whole(vec![choice])) else {
            panic!()
        };
        let whole = serde_json::to_value(&choices[0]).unwrap();
        let pointer = pointer.replacen("/delta", "/message", 1);
        seen.insert(whole.pointer(&pointer).unwrap().as_str().unwrap().to_owned());
        let expected = said.replace("[EMAIL_1]", MAIL);
        assert_eq!(seen.len(), 1, "{seen:?}");
        let text = seen.pop_first().unwrap();
        match serde_json::from_str::<Value>(&text) {
            Ok(read) => assert_eq!(read, json!({"a": VALUE, "b": format!("{MAIL}'s")})),
            Err(_) => assert_eq!(text, expected.replace("[SECRET_1]", VALUE)),
        }
    }

    fn choice_of(mut choice: Value) -> Value {
        choice["message"]["role"] = json!("assistant");
        choice
    }

    #[test]
    fn json_that_was_asked_for_stays_json() {
        let json = r#"{"a":"[SECRET_1]","b":"[EMAIL_1]'s"}"#;
        let content = |text: &str| json!({"content": text});
        let object = json!({"type": "json_object"});
        let schema = json!({"type": "json_schema", "json_schema": {"name": "n", "schema": {}}});
        for format in [&object, &schema] {
            streamed(format, content, "/delta/content", json);
            streamed(format, content, "/delta/content", &format!("\n {json}"));
            // Plain words are no JSON, even where it was asked for.
            streamed(format, content, "/delta/content", "No: [SECRET_1] [EMAIL_1]");
        }
        streamed(&Value::Null, content, "/delta/content", "{[SECRET_1]} [EMAIL_1]");
    }

    /// The text of each call as pieces say it, by number, and in which order they speak.
    fn said_of_calls(deltas: &[Value]) -> (BTreeMap<u64, String>, Vec<u64>) {
        let mut unmask = unmask(&Value::Null);
        let (mut texts, mut order) = (BTreeMap::<u64, String>::new(), Vec::new());
        for (at, calls) in deltas.iter().enumerate() {
            let end = (at + 1 == deltas.len()).then_some("tool_calls");
            let piece = json!({"index": 0, "delta": {"tool_calls": calls}, "finish_reason": end});
            let pieces = vec![serde_json::from_value(piece).unwrap()];
            let Event::Pieces(pieces) = unmask.event(Event::Pieces(pieces)) else { panic!() };
            for call in pieces[0].delta.tool_calls.iter().flatten() {
                let number = call["index"].as_u64().unwrap();
                let text = call.pointer("/custom/input").or(call.pointer("/function/arguments"));
                texts.entry(number).or_default().push_str(text.unwrap().as_str().unwrap());
                order.push(number);
            }
        }
        (texts, order)
    }

    #[test]
    fn a_call_is_whole_before_another_begins() {
        let custom = |number: u64, text: &str| json!({"index": number, "custom": {"input": text}});
        for input in ["echo $IP", "echo [", "date +%", "cat <<E\nEMAIL_1", "a [EMAIL_"] {
            let whole = input.replace("EMAIL_1", MAIL);
            for deltas in [
                vec![
                    json!([custom(0, "")]),
                    json!([custom(0, input)]),
                    json!([custom(1, "")]),
                    json!([custom(1, "ls EMAIL_1")]),
                ],
                vec![json!([custom(0, input), custom(1, "ls EMAIL_1")])],
            ] {
                let (texts, order) = said_of_calls(&deltas);
                assert_eq!(texts, [(0, whole.clone()), (1, format!("ls {MAIL}"))].into());
                assert!(order.is_sorted(), "{order:?}");
            }
        }
        // One call goes on behind the beginning of another.
        let call =
            |number: u64, text: &str| json!([{"index": number, "function": {"arguments": text}}]);
        let deltas = [
            call(0, "{\"a\":\"[SECR"),
            call(0, "ET_1]"),
            call(1, "{\"b\":\"[EMA"),
            call(0, "\",\"c\":\"[SECRET_1]\"}"),
            call(1, "IL_1]\"}"),
        ];
        let (texts, _) = said_of_calls(&deltas);
        let read = |number| serde_json::from_str::<Value>(&texts[&number]).unwrap();
        assert_eq!(read(0), json!({"a": VALUE, "c": VALUE}));
        assert_eq!(read(1), json!({"b": MAIL}));
    }

    #[test]
    fn what_is_passed_on_beside_the_text_is_restored_too() {
        let json = r#"{"a":"[SECRET_1]","b":"[EMAIL_1]'s"}"#;
        let plain = Value::Null;
        let call =
            |text: &str| json!({"tool_calls": [{"index": 0, "function": {"arguments": text}}]});
        streamed(&plain, call, "/delta/tool_calls/0/function/arguments", json);
        let custom = |text: &str| json!({"tool_calls": [{"index": 0, "custom": {"input": text}}]});
        streamed(&plain, custom, "/delta/tool_calls/0/custom/input", "[EMAIL_1] [SECRET_1]");
        let function = |text: &str| json!({"function_call": {"arguments": text}});
        streamed(&plain, function, "/delta/function_call/arguments", json);
        let sound = |text: &str| json!({"audio": {"transcript": text}});
        streamed(&plain, sound, "/delta/audio/transcript", "of [EMAIL_1]");
        let note = json!({"annotations": [{"url_citation": {"title": "of [EMAIL_1]"}}]});
        let piece = json!({"index": 0, "delta": note, "finish_reason": null});
        let pieces = vec![serde_json::from_value(piece).unwrap()];
        let Event::Pieces(pieces) = unmask(&plain).event(Event::Pieces(pieces)) else { panic!() };
        let title = &pieces[0].delta.rest["annotations"][0]["url_citation"]["title"];
        assert_eq!(title, &format!("of {MAIL}"));
    }
}
