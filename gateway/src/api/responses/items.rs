//! An answer's items while they grow: thoughts, messages and calls, each with the events that tell
//! it. A whole answer is the same items without the events, so both can't differ. It changes no
//! text.

use schemas::openai::ChunkChoice;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

/// Items of one answer; more are dropped.
const ITEMS_MAX: usize = 1_024;

/// The items of one answer.
pub(super) struct Items {
    /// The request's name without its prefix.
    bare: String,
    items: Vec<Item>,
    /// Of tokens that came before there was a text.
    logprobs: Vec<Value>,
}

struct Item {
    id: String,
    place: usize,
    body: Body,
    is_told: bool,
    /// As it was told last, when it is over.
    over: Option<Value>,
}

enum Body {
    /// A message, or thoughts.
    Parts(Vec<Part>),
    /// A call, by its number among the calls.
    Call { number: u64, call: String, name: String, arguments: String },
}

struct Part {
    kind: Kind,
    text: String,
    /// How likely its tokens were, if that was asked for.
    logprobs: Vec<Value>,
}

impl Part {
    fn value(&self) -> Value {
        self.kind.part(&self.text, &self.logprobs)
    }
}

/// What was just said.
struct Said<'a> {
    text: &'a str,
    logprobs: Vec<Value>,
}

/// What a part is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Refusal,
    Thought,
}

impl Kind {
    fn part(self, text: &str, logprobs: &[Value]) -> Value {
        match self {
            Self::Text => json!({"type": "output_text", "text": text, "annotations": [],
                "logprobs": logprobs}),
            Self::Refusal => json!({"type": "refusal", "refusal": text}),
            Self::Thought => json!({"type": "reasoning_text", "text": text}),
        }
    }

    /// The name of the event that tells more of it.
    fn delta(self) -> &'static str {
        match self {
            Self::Text => "response.output_text.delta",
            Self::Refusal => "response.refusal.delta",
            Self::Thought => "response.reasoning_text.delta",
        }
    }

    /// The name of the event that tells all of it, and of its text there.
    fn done(self) -> (&'static str, &'static str) {
        match self {
            Self::Text => ("response.output_text.done", "text"),
            Self::Refusal => ("response.refusal.done", "refusal"),
            Self::Thought => ("response.reasoning_text.done", "text"),
        }
    }

    /// Whether both stand in the same item.
    fn goes_with(self, other: Self) -> bool {
        (self == Self::Thought) == (other == Self::Thought)
    }
}

/// An event: its name, then what it tells.
pub(super) type Told = (&'static str, Value);

impl Items {
    /// The items of an answer that begins.
    pub(super) fn new(bare: &str) -> Self {
        Self { bare: bare.to_owned(), items: Vec::new(), logprobs: Vec::new() }
    }

    /// The items that are over.
    pub(super) fn output(&self) -> Vec<Value> {
        self.items.iter().filter_map(|item| item.over.clone()).collect()
    }

    /// Adds a piece of the answer.
    pub(super) fn add(&mut self, piece: &ChunkChoice, events: &mut Vec<Told>) {
        let delta = &piece.delta;
        let logprobs = piece.logprobs.as_ref().and_then(|told| told["content"].as_array());
        self.logprobs.extend(logprobs.into_iter().flatten().cloned());
        let texts = [
            (Kind::Thought, &delta.reasoning_content),
            (Kind::Text, &delta.content),
            (Kind::Refusal, &delta.refusal),
        ];
        for (kind, text) in texts {
            if let Some(text) = text.as_deref().filter(|text| !text.is_empty()) {
                let logprobs = match kind {
                    Kind::Text => std::mem::take(&mut self.logprobs),
                    Kind::Refusal | Kind::Thought => Vec::new(),
                };
                self.say(kind, Said { text, logprobs }, events);
            }
        }
        // A token that is no whole character yet has no text of its own.
        if !self.logprobs.is_empty() {
            let logprobs = std::mem::take(&mut self.logprobs);
            match self.open_text() {
                Some(part) => part.logprobs.extend(logprobs),
                None => self.logprobs = logprobs,
            }
        }
        for (at, call) in (0..).zip(delta.tool_calls.iter().flatten()) {
            self.call(call["index"].as_u64().unwrap_or(at), call, events);
        }
    }

    /// Ends the answer. When it was cut, its last item is incomplete, and so are calls that are no
    /// JSON yet.
    pub(super) fn end(&mut self, is_cut: bool, events: &mut Vec<Told>) {
        let count = self.items.len();
        for item in self.items.iter_mut().filter(|item| item.over.is_none()) {
            let is_last = item.place + 1 == count;
            item.end(is_cut && (is_last || !item.is_complete()), events);
        }
    }

    /// The text that grows, if one does.
    fn open_text(&mut self) -> Option<&mut Part> {
        let last = self.items.last_mut().filter(|last| last.takes(Kind::Text))?;
        let Body::Parts(parts) = &mut last.body else { return None };
        parts.last_mut().filter(|part| part.kind == Kind::Text)
    }

    fn say(&mut self, kind: Kind, said: Said<'_>, events: &mut Vec<Told>) {
        let goes_on = self.items.last().is_some_and(|last| last.takes(kind));
        if !goes_on && !self.begin(Body::Parts(Vec::new()), kind, events) {
            return;
        }
        if let Some(last) = self.items.last_mut() {
            last.say(kind, said, events);
        }
    }

    fn call(&mut self, number: u64, piece: &Value, events: &mut Vec<Told>) {
        let known = self.items.iter().position(|item| item.is_call(number));
        let at = known.unwrap_or(self.items.len());
        if known.is_none() {
            let (call, name) = (format!("call_{}_{number}", self.bare), String::new());
            let body = Body::Call { number, call, name, arguments: String::new() };
            if !self.begin(body, Kind::Text, events) {
                return;
            }
        }
        if let Some(item) = self.items.get_mut(at) {
            item.call(piece, events);
        }
    }

    /// Begins an item: all former ones that can be over are. False when there is no room.
    fn begin(&mut self, body: Body, kind: Kind, events: &mut Vec<Told>) -> bool {
        if self.items.len() >= ITEMS_MAX {
            return false;
        }
        for item in self.items.iter_mut().filter(|item| item.over.is_none()) {
            match item.is_complete() {
                true => item.end(false, events),
                // Clients count items by the order in which they are told of them.
                false => item.tell(events),
            }
        }
        let prefix = match (&body, kind) {
            (Body::Call { .. }, _) => "fc",
            (Body::Parts(_), Kind::Thought) => "rs",
            (Body::Parts(_), _) => "msg",
        };
        let place = self.items.len();
        let id = format!("{prefix}_{}_{place}", self.bare);
        let mut item = Item { id, place, body, is_told: false, over: None };
        if matches!(item.body, Body::Parts(_)) {
            item.tell_as(kind, events);
        }
        self.items.push(item);
        true
    }
}

impl Item {
    /// Whether more of a kind belongs to it.
    fn takes(&self, kind: Kind) -> bool {
        let Body::Parts(parts) = &self.body else { return false };
        self.over.is_none() && parts.last().is_some_and(|part| part.kind.goes_with(kind))
    }

    fn is_call(&self, wanted: u64) -> bool {
        matches!(self.body, Body::Call { number, .. } if number == wanted)
    }

    /// Whether nothing can be added once another item has begun.
    fn is_complete(&self) -> bool {
        match &self.body {
            Body::Parts(_) => true,
            Body::Call { arguments, .. } => serde_json::from_str::<IgnoredAny>(arguments).is_ok(),
        }
    }

    fn kind(&self) -> Kind {
        match &self.body {
            Body::Parts(parts) => parts.first().map_or(Kind::Text, |part| part.kind),
            Body::Call { .. } => Kind::Text,
        }
    }

    fn tell(&mut self, events: &mut Vec<Told>) {
        self.tell_as(self.kind(), events);
    }

    fn tell_as(&mut self, kind: Kind, events: &mut Vec<Told>) {
        if std::mem::replace(&mut self.is_told, true) {
            return;
        }
        let item = self.value(kind, "in_progress", false);
        let told = json!({"output_index": self.place, "item": item});
        events.push(("response.output_item.added", told));
        if let Body::Call { arguments, .. } = &self.body
            && !arguments.is_empty()
        {
            let delta = arguments.clone();
            self.event("response.function_call_arguments.delta", json!({"delta": delta}), events);
        }
    }

    /// The item with what it holds, or without while it is told for the first time.
    fn value(&self, kind: Kind, status: &str, is_filled: bool) -> Value {
        let id = &self.id;
        match &self.body {
            Body::Parts(parts) => {
                let parts = parts.iter().filter(|_| is_filled);
                let parts: Vec<Value> = parts.map(Part::value).collect();
                match kind {
                    Kind::Thought => json!({"id": id, "type": "reasoning", "status": status,
                        "summary": [], "content": parts}),
                    _ => json!({"id": id, "type": "message", "status": status,
                        "role": "assistant", "content": parts}),
                }
            }
            Body::Call { call, name, arguments, .. } => {
                let arguments = if is_filled { arguments.as_str() } else { "" };
                json!({"id": id, "type": "function_call", "status": status,
                    "call_id": call, "name": name, "arguments": arguments})
            }
        }
    }

    /// An event of this item: where, and what.
    fn event(&self, name: &'static str, what: Value, events: &mut Vec<Told>) {
        let mut told = Map::from_iter([
            ("item_id".to_owned(), Value::from(self.id.as_str())),
            ("output_index".to_owned(), Value::from(self.place)),
        ]);
        if let Value::Object(what) = what {
            told.extend(what);
        }
        events.push((name, Value::Object(told)));
    }

    fn say(&mut self, kind: Kind, said: Said<'_>, events: &mut Vec<Told>) {
        let Said { text, logprobs } = said;
        let Body::Parts(parts) = &mut self.body else { return };
        if parts.last().is_none_or(|part| part.kind != kind) {
            self.end_part(events);
            self.begin_part(kind, events);
        }
        let Body::Parts(parts) = &mut self.body else { return };
        let at = parts.len().saturating_sub(1);
        if let Some(part) = parts.last_mut() {
            part.text.push_str(text);
        }
        let mut what = json!({"content_index": at, "delta": text});
        if kind == Kind::Text {
            what["logprobs"] = json!(logprobs);
            if let Some(part) = parts.last_mut() {
                part.logprobs.extend(logprobs);
            }
        }
        self.event(kind.delta(), what, events);
    }

    fn begin_part(&mut self, kind: Kind, events: &mut Vec<Told>) {
        let Body::Parts(parts) = &mut self.body else { return };
        let at = parts.len();
        parts.push(Part { kind, text: String::new(), logprobs: Vec::new() });
        let what = json!({"content_index": at, "part": kind.part("", &[])});
        self.event("response.content_part.added", what, events);
    }

    fn end_part(&self, events: &mut Vec<Told>) {
        let Body::Parts(parts) = &self.body else { return };
        let Some(part) = parts.last() else { return };
        let at = parts.len() - 1;
        let (name, field) = part.kind.done();
        let mut what = json!({"content_index": at, field: part.text});
        if part.kind == Kind::Text {
            what["logprobs"] = json!(part.logprobs);
        }
        self.event(name, what, events);
        let what = json!({"content_index": at, "part": part.value()});
        self.event("response.content_part.done", what, events);
    }

    fn call(&mut self, piece: &Value, events: &mut Vec<Told>) {
        let told = |name| piece.pointer(name).and_then(Value::as_str).unwrap_or_default();
        let more = told("/function/arguments");
        if self.over.is_some() {
            if !more.trim().is_empty() {
                tracing::warn!(item = self.place, "arguments came after their call's end");
            }
            return;
        }
        let is_told = self.is_told;
        let Body::Call { call, name, arguments, .. } = &mut self.body else { return };
        arguments.push_str(more);
        if is_told {
            if !more.is_empty() {
                let what = json!({"delta": more});
                self.event("response.function_call_arguments.delta", what, events);
            }
            return;
        }
        if !told("/id").is_empty() {
            told("/id").clone_into(call);
        }
        told("/function/name").clone_into(name);
        if !name.is_empty() {
            self.tell(events);
        }
    }

    fn end(&mut self, is_cut: bool, events: &mut Vec<Told>) {
        self.tell(events);
        self.end_part(events);
        if let Body::Call { arguments, .. } = &mut self.body {
            // Nothing is no JSON, and clients read it as such.
            if arguments.trim().is_empty() && !is_cut {
                arguments.push_str("{}");
                let what = json!({"delta": "{}"});
                self.event("response.function_call_arguments.delta", what, events);
            }
        }
        if let Body::Call { name, arguments, .. } = &self.body {
            let what = json!({"name": name, "arguments": arguments});
            self.event("response.function_call_arguments.done", what, events);
        }
        let status = if is_cut { "incomplete" } else { "completed" };
        let item = self.value(self.kind(), status, true);
        let told = json!({"output_index": self.place, "item": item});
        events.push(("response.output_item.done", told));
        self.over = Some(item);
    }
}
