//! `POST /v1/chat/completions`: OpenAI's chat JSON, which is the canonical form itself.

use super::outgoing::Writer;
use super::stream::{self, Rendering};
use super::surface::{Arrival, Surface};
use crate::chat::Receipt;
use schemas::error::Problem;
use schemas::openai::{Answer, AnswerChoice, ChatRequest};

/// What is kept of one request for its answer.
pub(crate) struct ChatCompletion {
    id: String,
    created: u64,
    wants_usage: bool,
}

impl Surface for ChatCompletion {
    type Answer = Answer;

    async fn read(arrival: &Arrival<'_>) -> Result<(ChatRequest, Self), Problem> {
        let chat: ChatRequest = arrival.json().await?;
        let id = stream::completion_id(arrival.request);
        let kept = Self { id, created: arrival.created, wants_usage: chat.wants_usage() };
        Ok((chat, kept))
    }

    async fn whole(
        self,
        model: &str,
        choices: Vec<AnswerChoice>,
        receipt: &Receipt,
    ) -> Result<Answer, Problem> {
        Ok(Answer {
            id: self.id,
            object: "chat.completion".to_owned(),
            created: self.created,
            model: model.to_owned(),
            choices,
            usage: receipt.usage.into(),
        })
    }

    fn writer(self) -> impl Writer + 'static {
        Rendering::new(self.id, self.created, self.wants_usage)
    }
}
