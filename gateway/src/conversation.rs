//! Conversations with `auto`: who answered the last turn, whether the same is asked again, and
//! what that says of an answer. Only digests of masked messages leave this process. Whatever Redis
//! does, no request fails or waits long for it: a conversation is then a new one.

use crate::routing;
use crate::state::Gateway;
use infra::clock;
use infra::store::StoreError;
use infra::store::opinions::{ConversationTurn, OpinionRow, Signal};
use schemas::ids::{AccountId, RequestId};
use schemas::openai::{ChatRequest, Message, Role};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;

/// What a row says of the kind of work when the router didn't choose.
pub(crate) const NAMED: &str = "named";

/// What is known of a conversation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Past {
    /// Who answered the last turn.
    pub(crate) pinned: Option<String>,
    /// Whose answer the user was not content with, where that is asked for.
    pub(crate) disliked: Option<String>,
    /// Under what this turn is remembered; absent when none is.
    pub(crate) digest: Option<String>,
}

/// The digests of a conversation: with this turn, and as it was at the last one.
#[derive(Debug, PartialEq, Eq)]
struct Digests {
    whole: String,
    before: Option<String>,
}

impl Digests {
    fn of(messages: &[Message]) -> Self {
        let last_answer = messages.iter().rposition(|message| message.role == Role::Assistant);
        let mut hasher = Sha256::new();
        let mut before = None;
        for (number, message) in messages.iter().enumerate() {
            if Some(number) == last_answer && number > 0 {
                before = Some(crate::auth::hexadecimal(&hasher.clone().finalize()));
            }
            // Messages are data, which always can be written down.
            hasher.update(serde_json::to_vec(message).unwrap_or_default());
        }
        Self { whole: crate::auth::hexadecimal(&hasher.finalize()), before }
    }
}

/// An answer that came to its end.
pub(crate) struct Answered<'a> {
    pub(crate) account: &'a AccountId,
    pub(crate) request: &'a RequestId,
    /// Who gave it.
    pub(crate) model: &'a str,
    /// Who was to give it, if that one failed.
    pub(crate) failed: Option<&'a str>,
    pub(crate) route: &'a str,
    pub(crate) digest: Option<&'a str>,
}

impl Gateway {
    /// What is known of a conversation. A question that is asked again is counted.
    pub(crate) async fn past(self: &Arc<Self>, account: &AccountId, chat: &ChatRequest) -> Past {
        let auto = &self.config.auto;
        if auto.pin_seconds == 0 {
            return Past::default();
        }
        let time_max = Duration::from_millis(self.config.cache.look_ms_max.max(1));
        let digests = Digests::of(&chat.messages);
        let asked: Vec<&str> =
            std::iter::once(&digests.whole).chain(&digests.before).map(String::as_str).collect();
        let found = self.store.turns(account, &asked, time_max).await;
        let mut found = found.unwrap_or_else(|error| unknown(&error)).into_iter();
        let (same, last) = (found.next().flatten(), found.next().flatten());
        let mut disliked = same.as_ref().map(|turn| turn.model.clone());
        if let Some(turn) = same {
            self.count(account, turn.opinion(Signal::Regenerate));
        }
        if let (true, None, Some(turn)) = (auto.escalate, &disliked, &last) {
            let said = self.store.vote_on(account, &turn.request, time_max).await;
            let is_bad = said.is_ok_and(|said| said.as_deref() == Some(Signal::Bad.as_str()));
            disliked = is_bad.then(|| turn.model.clone());
        }
        Past {
            pinned: last.map(|turn| turn.model),
            disliked: disliked.filter(|_| auto.escalate),
            digest: Some(digests.whole),
        }
    }

    /// Remembers who answered, and counts a model that failed.
    pub(crate) fn remember(self: &Arc<Self>, answered: &Answered<'_>) {
        let turn = ConversationTurn {
            request: answered.request.clone(),
            model: answered.model.to_owned(),
            route: answered.route.to_owned(),
        };
        if let Some(failed) = answered.failed {
            let turn = ConversationTurn { model: failed.to_owned(), ..turn.clone() };
            self.count(answered.account, turn.opinion(Signal::Fallback));
        }
        let Some(digest) = answered.digest.map(str::to_owned) else { return };
        let (gateway, account) = (Arc::clone(self), answered.account.clone());
        let ttl_seconds = self.config.auto.pin_seconds;
        self.settlements.spawn("remember a conversation", async move {
            let kept = gateway.store.keep_turn(&account, &digest, &turn, ttl_seconds).await;
            if let Err(error) = kept {
                tracing::debug!(%error, "a conversation is not remembered");
            }
        });
    }

    /// Counts in the background.
    fn count(self: &Arc<Self>, account: &AccountId, row: OpinionRow) {
        self.count_opinion(&row);
        let (gateway, account) = (Arc::clone(self), account.clone());
        self.settlements.spawn("count an opinion", async move {
            if let Err(error) = gateway.store.note(&account, &row).await {
                tracing::debug!(%error, "an opinion is not counted");
            }
        });
    }

    /// The counter of Prometheus.
    pub(crate) fn count_opinion(&self, row: &OpinionRow) {
        let labels = [self.label(&row.model), &row.task, row.signal.as_str()];
        self.metrics.opinions_total.with_label_values(&labels).inc();
    }
}

trait Opinion {
    fn opinion(&self, signal: Signal) -> OpinionRow;
}

impl Opinion for ConversationTurn {
    fn opinion(&self, signal: Signal) -> OpinionRow {
        OpinionRow {
            request: self.request.clone(),
            at_ms: clock::unix_ms(),
            model: self.model.clone(),
            task: task_of(Some(&self.route)).to_owned(),
            signal,
            route: Some(self.route.clone()),
        }
    }
}

/// The kind of work that a reason tells: one of a closed set.
pub(crate) fn task_of(route: Option<&str>) -> &'static str {
    let told = route.and_then(|route| route.split(';').find_map(|word| word.strip_prefix("task=")));
    let known = routing::Task::ALL.into_iter().map(routing::Task::as_str);
    known.into_iter().find(|task| Some(*task) == told).unwrap_or(NAMED)
}

fn unknown(error: &StoreError) -> Vec<Option<ConversationTurn>> {
    tracing::debug!(%error, "what came before is unknown");
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(role: Role, text: &str) -> Message {
        Message::text(role, text)
    }

    #[test]
    fn a_turn_knows_the_one_before_it() {
        let first = [says(Role::System, "Be brief."), says(Role::User, "Hello")];
        let mut second = first.to_vec();
        second.extend([says(Role::Assistant, "Hi!"), says(Role::User, "And now?")]);
        let (first, second) = (Digests::of(&first), Digests::of(&second));
        assert_eq!(first.before, None);
        assert_eq!(second.before.as_ref(), Some(&first.whole));
        assert_ne!(second.whole, first.whole);
    }

    #[test]
    fn a_task_is_read_from_a_reason() {
        assert_eq!(task_of(Some("auto;lang=ja;task=code;score=0.31")), "code");
        for none in [None, Some("named"), Some("auto;task=nonsense")] {
            assert_eq!(task_of(none), NAMED);
        }
    }
}
