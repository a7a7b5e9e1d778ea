//! One item of an answer while it grows, and the events that tell it. What was told of it is never
//! taken back.

use super::namespaces::{NAMESPACE, Namespaces};
use super::thoughts::Kept;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

/// An event: its name, then what it tells.
pub(super) type Told = (&'static str, Value);

/// An item.
pub(super) struct Item {
    id: String,
    place: usize,
    body: Body,
    is_told: bool,
    /// As it was told last, when it is over.
    over: Option<Value>,
}

/// What an item holds.
pub(super) enum Body {
    /// What is said.
    Message(Vec<Part>),
    /// A thought, and whether it is sealed although nothing needs it.
    Thought { parts: Vec<Part>, kept: Kept, is_asked: bool },
    /// A call of a tool.
    Call(Call),
}

/// A call, by its number among the calls.
pub(super) struct Call {
    number: u64,
    id: String,
    name: String,
    /// The group of tools in which it is called so.
    namespace: Option<String>,
    /// Arguments, or free text.
    input: String,
    words: &'static Words,
    /// What a vendor wants back beside it: Gemini's signature of the thought that led to it.
    extra: Option<Value>,
}

/// How a call of one kind is spelled.
struct Words {
    kind: &'static str,
    /// What the names of its items begin with.
    prefix: &'static str,
    /// Where its input stands in an item.
    input: &'static str,
    delta: &'static str,
    done: &'static str,
    /// Where its name and its input stand in a piece.
    in_piece: (&'static str, &'static str),
}

const FUNCTION: Words = Words {
    kind: "function_call",
    prefix: "fc",
    input: "arguments",
    delta: "response.function_call_arguments.delta",
    done: "response.function_call_arguments.done",
    in_piece: ("/function/name", "/function/arguments"),
};

const CUSTOM: Words = Words {
    kind: "custom_tool_call",
    prefix: "ctc",
    input: "input",
    delta: "response.custom_tool_call_input.delta",
    done: "response.custom_tool_call_input.done",
    in_piece: ("/custom/name", "/custom/input"),
};

/// The field of a call that carries what a vendor wants back beside it.
pub(super) const EXTRA: &str = "extra_content";

impl Call {
    /// A call that begins with this piece; the name is ours until its own is told.
    pub(super) fn new(number: u64, id: String, piece: &Value) -> Self {
        let is_custom = piece["type"] == "custom" || piece.get("custom").is_some();
        let words = if is_custom { &CUSTOM } else { &FUNCTION };
        let (name, input) = (String::new(), String::new());
        Self { number, id, name, namespace: None, input, words, extra: None }
    }
}

/// A part of what is said or thought.
pub(super) struct Part {
    kind: Kind,
    text: String,
    /// How likely its tokens were, if that was asked for.
    logprobs: Vec<Value>,
    annotations: Vec<Value>,
}

impl Part {
    fn new(kind: Kind) -> Self {
        Self { kind, text: String::new(), logprobs: Vec::new(), annotations: Vec::new() }
    }

    fn value(&self) -> Value {
        let Self { kind, text, logprobs, annotations } = self;
        match kind {
            Kind::Text => json!({"type": "output_text", "text": text,
                "annotations": annotations, "logprobs": logprobs}),
            Kind::Refusal => json!({"type": "refusal", "refusal": text}),
            Kind::Thought => json!({"type": "reasoning_text", "text": text}),
        }
    }
}

/// What was just said.
pub(super) struct Said<'a> {
    pub(super) text: &'a str,
    pub(super) logprobs: Vec<Value>,
}

/// What a part is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// What is said.
    Text,
    /// Why nothing is.
    Refusal,
    /// What was thought before.
    Thought,
}

impl Kind {
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
}

impl Item {
    /// An item of this place in an answer.
    pub(super) fn new(bare: &str, place: usize, body: Body) -> Self {
        let prefix = match &body {
            Body::Message(_) => "msg",
            Body::Thought { .. } => "rs",
            Body::Call(call) => call.words.prefix,
        };
        Self { id: format!("{prefix}_{bare}_{place}"), place, body, is_told: false, over: None }
    }

    /// As it was told last, when it is over.
    pub(super) fn over(&self) -> Option<&Value> {
        self.over.as_ref()
    }

    /// Whether it isn't over.
    pub(super) fn is_open(&self) -> bool {
        self.over.is_none()
    }

    /// Whether more of a kind belongs to it.
    pub(super) fn takes(&self, kind: Kind) -> bool {
        self.is_open()
            && match &self.body {
                Body::Message(_) => kind != Kind::Thought,
                Body::Thought { .. } => kind == Kind::Thought,
                Body::Call(_) => false,
            }
    }

    /// What is kept of the thought that it is, while it grows.
    pub(super) fn open_thought(&mut self) -> Option<&mut Kept> {
        match &mut self.body {
            Body::Thought { kept, .. } if self.over.is_none() => Some(kept),
            _ => None,
        }
    }

    /// Whether it is the call of this number.
    pub(super) fn is_call(&self, wanted: u64) -> bool {
        matches!(&self.body, Body::Call(call) if call.number == wanted)
    }

    /// Whether it is a call of which nothing can be told yet.
    pub(super) fn is_unnamed_call(&self) -> bool {
        matches!(&self.body, Body::Call(call) if call.name.is_empty())
    }

    /// Whether nothing can be added once another item has begun.
    pub(super) fn is_complete(&self) -> bool {
        match &self.body {
            Body::Call(call) if call.words.kind == FUNCTION.kind => {
                serde_json::from_str::<IgnoredAny>(&call.input).is_ok()
            }
            Body::Message(_) | Body::Thought { .. } | Body::Call(_) => true,
        }
    }

    /// Tells that it is there.
    pub(super) fn tell(&mut self, events: &mut Vec<Told>) {
        if std::mem::replace(&mut self.is_told, true) {
            return;
        }
        let item = self.value("in_progress", false);
        let told = json!({"output_index": self.place, "item": item});
        events.push(("response.output_item.added", told));
        if let Body::Call(call) = &self.body
            && !call.input.is_empty()
        {
            self.event(call.words.delta, json!({"delta": call.input}), events);
        }
    }

    /// The item with what it holds, or without while it is told for the first time.
    fn value(&self, status: &str, is_filled: bool) -> Value {
        let id = &self.id;
        let told = |parts: &[Part]| -> Vec<Value> {
            parts.iter().filter(|_| is_filled).map(Part::value).collect()
        };
        match &self.body {
            Body::Message(parts) => json!({"id": id, "type": "message", "status": status,
                "role": "assistant", "content": told(parts)}),
            Body::Thought { parts, kept, is_asked } => {
                let mut item = json!({"id": id, "type": "reasoning", "status": status,
                    "summary": [], "content": told(parts)});
                let text: String = parts.iter().map(|part| part.text.as_str()).collect();
                if let Some(sealed) = kept.sealed(&text, *is_asked).filter(|_| is_filled) {
                    item["encrypted_content"] = sealed.into();
                }
                item
            }
            Body::Call(call) => {
                let input = if is_filled { call.input.as_str() } else { "" };
                let mut item = json!({"id": id, "type": call.words.kind, "status": status,
                    "call_id": call.id, "name": call.name, call.words.input: input});
                if let Some(namespace) = &call.namespace {
                    item[NAMESPACE] = namespace.as_str().into();
                }
                if let Some(extra) = call.extra.as_ref().filter(|_| is_filled) {
                    item[EXTRA] = extra.clone();
                }
                item
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

    fn parts(&mut self) -> Option<&mut Vec<Part>> {
        match &mut self.body {
            Body::Message(parts) | Body::Thought { parts, .. } => Some(parts),
            Body::Call(_) => None,
        }
    }

    /// Says more.
    pub(super) fn say(&mut self, kind: Kind, said: Said<'_>, events: &mut Vec<Told>) {
        let Said { text, logprobs } = said;
        let Some(parts) = self.parts() else { return };
        if parts.last().is_none_or(|part| part.kind != kind) {
            self.end_part(events);
            self.begin_part(kind, events);
        }
        let Some(parts) = self.parts() else { return };
        let at = parts.len().saturating_sub(1);
        let mut what = json!({"content_index": at, "delta": text});
        if kind == Kind::Text {
            what["logprobs"] = json!(logprobs);
        }
        if let Some(part) = parts.last_mut() {
            part.text.push_str(text);
            part.logprobs.extend(logprobs);
        }
        self.event(kind.delta(), what, events);
    }

    /// Whether it is a message whose text grows.
    pub(super) fn has_open_text(&self) -> bool {
        let Body::Message(parts) = &self.body else { return false };
        self.is_open() && parts.last().is_some_and(|part| part.kind == Kind::Text)
    }

    /// Adds how likely tokens were that have no text of their own.
    pub(super) fn add_logprobs(&mut self, logprobs: Vec<Value>) {
        if let Some(part) = self.parts().and_then(|parts| parts.last_mut()) {
            part.logprobs.extend(logprobs);
        }
    }

    /// Adds a remark on its text.
    pub(super) fn annotate(&mut self, annotation: Value, events: &mut Vec<Told>) {
        let Some(parts) = self.parts() else { return };
        let at = parts.len().saturating_sub(1);
        let Some(part) = parts.last_mut() else { return };
        let what = json!({"content_index": at, "annotation_index": part.annotations.len(),
            "annotation": annotation});
        part.annotations.push(annotation);
        self.event("response.output_text.annotation.added", what, events);
    }

    fn begin_part(&mut self, kind: Kind, events: &mut Vec<Told>) {
        let Some(parts) = self.parts() else { return };
        let (at, part) = (parts.len(), Part::new(kind));
        let what = json!({"content_index": at, "part": part.value()});
        parts.push(part);
        self.event("response.content_part.added", what, events);
    }

    fn end_part(&mut self, events: &mut Vec<Told>) {
        let Some(parts) = self.parts() else { return };
        let Some(part) = parts.last() else { return };
        let (at, whole) = (parts.len() - 1, part.value());
        let (name, field) = part.kind.done();
        let mut what = json!({"content_index": at, field: part.text});
        if part.kind == Kind::Text {
            what["logprobs"] = json!(part.logprobs);
        }
        self.event(name, what, events);
        let what = json!({"content_index": at, "part": whole});
        self.event("response.content_part.done", what, events);
    }

    /// Adds a piece of the call that it is, of a tool that may be in one of these groups.
    pub(super) fn call(&mut self, piece: &Value, namespaces: &Namespaces, events: &mut Vec<Told>) {
        let Body::Call(call) = &mut self.body else { return };
        let told = |name| piece.pointer(name).and_then(Value::as_str).unwrap_or_default();
        let (name, more) = call.words.in_piece;
        let more = told(more);
        if self.over.is_some() {
            if !more.trim().is_empty() {
                tracing::warn!(item = self.place, "arguments came after their call's end");
            }
            return;
        }
        call.input.push_str(more);
        if let Some(extra) = piece.get(EXTRA) {
            call.extra = Some(extra.clone());
        }
        if self.is_told {
            if !more.is_empty() {
                let delta = call.words.delta;
                self.event(delta, json!({"delta": more}), events);
            }
            return;
        }
        if !told("/id").is_empty() {
            told("/id").clone_into(&mut call.id);
        }
        told(name).clone_into(&mut call.name);
        if let Some((namespace, name)) = namespaces.find(&call.name) {
            (call.namespace, call.name) = (Some(namespace.clone()), name.clone());
        }
        if !call.name.is_empty() {
            self.tell(events);
        }
    }

    /// Ends it.
    pub(super) fn end(&mut self, is_cut: bool, events: &mut Vec<Told>) {
        self.tell(events);
        self.end_part(events);
        if let Body::Call(call) = &mut self.body {
            let words = call.words;
            // Nothing is no JSON, and clients read it as such.
            let needs_json = words.kind == FUNCTION.kind && call.input.trim().is_empty();
            if needs_json && !is_cut {
                call.input.push_str("{}");
                self.event(words.delta, json!({"delta": "{}"}), events);
            }
        }
        if let Body::Call(call) = &self.body {
            let what = json!({"name": call.name, call.words.input: call.input});
            self.event(call.words.done, what, events);
        }
        let item = self.value(if is_cut { "incomplete" } else { "completed" }, true);
        let told = json!({"output_index": self.place, "item": item});
        events.push(("response.output_item.done", told));
        self.over = Some(item);
    }
}
