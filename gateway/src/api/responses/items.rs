//! An answer's items while they grow: thoughts, messages and calls, each with the events that tell
//! it. A whole answer is the same items without the events, so both can't differ. It changes no
//! text.

use super::item::{Body, Call, Item, Kind, Said};
use super::namespaces::Namespaces;
use super::thoughts::{self, Kept};
use schemas::anthropic::{BLOCK_ORDER, Group};
use schemas::openai::{ChunkChoice, DeltaMessage};
use serde::Deserialize;
use serde_json::{Map, Value};

pub(super) use super::item::Told;

/// Items of one answer; more are dropped.
const ITEMS_MAX: usize = 1_024;

/// Remarks on a text, such as the pages that it names.
const ANNOTATIONS: &str = "annotations";

/// The items of one answer.
pub(super) struct Items {
    /// The request's name without its prefix.
    bare: String,
    /// Whether thoughts were asked for in a form that can be brought back unread.
    seals_thoughts: bool,
    /// The groups of tools that may be called.
    namespaces: Namespaces,
    items: Vec<Item>,
    /// Of tokens that came before there was a text.
    logprobs: Vec<Value>,
    /// The same of remarks.
    annotations: Vec<Value>,
}

impl Items {
    /// The items of an answer that begins.
    pub(super) fn new(bare: &str, seals_thoughts: bool, namespaces: Namespaces) -> Self {
        let (items, logprobs, annotations) = (Vec::new(), Vec::new(), Vec::new());
        let bare = bare.to_owned();
        Self { bare, seals_thoughts, namespaces, items, logprobs, annotations }
    }

    /// The items that are over.
    pub(super) fn output(&self) -> Vec<Value> {
        self.items.iter().filter_map(|item| item.over().cloned()).collect()
    }

    /// Adds a piece of the answer. Its parts come in the usual order, unless it is a whole answer
    /// that tells another.
    pub(super) fn add(&mut self, piece: &ChunkChoice, events: &mut Vec<Told>) {
        let delta = &piece.delta;
        let logprobs = piece.logprobs.as_ref().and_then(|told| told["content"].as_array());
        self.logprobs.extend(logprobs.into_iter().flatten().cloned());
        let annotations = delta.rest.get(ANNOTATIONS).and_then(Value::as_array);
        self.annotations.extend(annotations.into_iter().flatten().map(annotation));
        let mut thoughts = thoughts::told(delta).into_iter();
        let mut text = Some(delta);
        let mut calls = (0..).zip(delta.tool_calls.iter().flatten());
        for group in order(delta) {
            match group {
                Group::Thinking => thoughts.next().map(|thought| self.think(thought, events)),
                Group::Text => text.take().map(|text| self.speak(text, events)),
                Group::ToolUse => calls.next().map(|call| self.call(call, events)),
            };
        }
        thoughts.for_each(|thought| self.think(thought, events));
        if let Some(text) = text {
            self.speak(text, events);
        }
        calls.for_each(|call| self.call(call, events));
    }

    /// Ends the answer. When it was cut, its last item is incomplete, and so are calls that are no
    /// JSON yet.
    pub(super) fn end(&mut self, is_cut: bool, events: &mut Vec<Told>) {
        let count = self.items.len();
        for (place, item) in self.items.iter_mut().enumerate().filter(|(_, item)| item.is_open()) {
            item.end(is_cut && (place + 1 == count || !item.is_complete()), events);
        }
    }

    fn think(&mut self, (kept, text): thoughts::Told, events: &mut Vec<Told>) {
        if let Some(kept) = kept {
            self.keep(kept, events);
        }
        if !text.is_empty() {
            self.say(Kind::Thought, Said { text: &text, logprobs: Vec::new() }, events);
        }
    }

    /// What is kept of a thought beside its text: it may come before the text, and after it.
    fn keep(&mut self, kept: Kept, events: &mut Vec<Told>) {
        match self.items.last_mut().and_then(Item::open_thought).filter(|last| last.takes(&kept)) {
            Some(last) => last.add(&kept),
            None => {
                let is_asked = self.seals_thoughts;
                self.begin(Body::Thought { parts: Vec::new(), kept, is_asked }, events);
            }
        }
    }

    fn speak(&mut self, delta: &DeltaMessage, events: &mut Vec<Told>) {
        if let Some(text) = delta.content.as_deref().filter(|text| !text.is_empty()) {
            let logprobs = std::mem::take(&mut self.logprobs);
            self.say(Kind::Text, Said { text, logprobs }, events);
        }
        self.attach(events);
        if let Some(text) = delta.refusal.as_deref().filter(|text| !text.is_empty()) {
            self.say(Kind::Refusal, Said { text, logprobs: Vec::new() }, events);
        }
    }

    /// Gives the text that grows what belongs to it: a token that is no whole character yet has no
    /// text of its own.
    fn attach(&mut self, events: &mut Vec<Told>) {
        let Some(last) = self.items.last_mut().filter(|last| last.has_open_text()) else { return };
        last.add_logprobs(std::mem::take(&mut self.logprobs));
        for annotation in self.annotations.drain(..) {
            last.annotate(annotation, events);
        }
    }

    fn say(&mut self, kind: Kind, said: Said<'_>, events: &mut Vec<Told>) {
        let goes_on = self.items.last().is_some_and(|last| last.takes(kind));
        let body = match kind {
            Kind::Thought => Body::Thought {
                parts: Vec::new(),
                kept: Kept::default(),
                is_asked: self.seals_thoughts,
            },
            Kind::Text | Kind::Refusal => Body::Message(Vec::new()),
        };
        if (goes_on || self.begin(body, events))
            && let Some(last) = self.items.last_mut()
        {
            last.say(kind, said, events);
        }
    }

    fn call(&mut self, (at, piece): (u64, &Value), events: &mut Vec<Told>) {
        let number = piece["index"].as_u64().unwrap_or(at);
        let known = self.items.iter().position(|item| item.is_call(number));
        let at = known.unwrap_or(self.items.len());
        if known.is_none() {
            let id = format!("call_{}_{number}", self.bare);
            if !self.begin(Body::Call(Call::new(number, id, piece)), events) {
                return;
            }
        }
        if let Some(item) = self.items.get_mut(at) {
            item.call(piece, &self.namespaces, events);
        }
    }

    /// Begins an item: all former ones that can be over are. False when there is no room.
    fn begin(&mut self, body: Body, events: &mut Vec<Told>) -> bool {
        if self.items.len() >= ITEMS_MAX {
            return false;
        }
        for item in self.items.iter_mut().filter(|item| item.is_open()) {
            match item.is_complete() {
                true => item.end(false, events),
                // Clients count items by the order in which they are told of them.
                false => item.tell(events),
            }
        }
        let mut item = Item::new(&self.bare, self.items.len(), body);
        if !item.is_unnamed_call() {
            item.tell(events);
        }
        self.items.push(item);
        true
    }
}

/// The order of a whole answer's parts, where it isn't the usual one.
fn order(delta: &DeltaMessage) -> Vec<Group> {
    let kept = delta.rest.get(BLOCK_ORDER).map(Vec::<Group>::deserialize);
    kept.and_then(Result::ok).unwrap_or_default()
}

/// A remark as this API tells it: flat, where a chat's has its fields below the name of its kind.
fn annotation(told: &Value) -> Value {
    let kind = told.get("type").and_then(Value::as_str);
    match kind.and_then(|kind| told.get(kind)) {
        Some(Value::Object(fields)) => {
            let mut flat = Map::from_iter([("type".to_owned(), kind.into())]);
            flat.extend(fields.clone());
            Value::Object(flat)
        }
        _ => told.clone(),
    }
}
