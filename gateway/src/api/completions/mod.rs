//! `POST /v1/completions`: OpenAI's older API of one prompt and one text, in front of every model.
//! The request becomes the canonical form and the answer comes out of it; what stands between
//! doesn't know this surface.

/// The request as the canonical form.
mod request;

/// An answer as texts, whole or as events.
mod answer;

#[cfg(test)]
mod tests;

pub(super) use self::answer::Completion;
use self::answer::{Head, Rendering};
pub(super) use self::request::CompletionRequest;
use super::outgoing::Writer;
use super::surface::{Arrival, Surface};
use crate::chat::Receipt;
use schemas::error::Problem;
use schemas::openai::{AnswerChoice, ChatRequest};

/// What is kept of one request for its answer.
pub(super) struct TextCompletion {
    head: Head,
    wants_usage: bool,
}

impl Surface for TextCompletion {
    type Answer = Completion;

    async fn read(arrival: &Arrival<'_>) -> Result<(ChatRequest, Self), Problem> {
        let (chat, echo) = request::chat(arrival.json::<CompletionRequest>().await?)?;
        let head = Head::new(arrival.request, arrival.created, echo);
        let wants_usage = chat.wants_usage();
        Ok((chat, Self { head, wants_usage }))
    }

    async fn whole(
        self,
        model: &str,
        choices: Vec<AnswerChoice>,
        receipt: &Receipt,
    ) -> Result<Completion, Problem> {
        Ok(self.head.whole(model, choices, receipt))
    }

    fn writer(self) -> impl Writer + 'static {
        Rendering::new(self.head, self.wants_usage)
    }
}

/// The request decoder, for the fuzz target.
#[cfg(test)]
pub(super) fn decoded(body: &[u8]) -> Result<ChatRequest, Problem> {
    Ok(request::chat(super::incoming::json(body)?)?.0)
}
