//! What was consumed: the backend's own count where there is one, else an estimate from what went
//! through. It never guesses upwards beyond what the hold was made for.

use crate::Ended;
use schemas::job::ChatJob;
use schemas::openai::{AnswerChoice, ChunkChoice};
use schemas::usage::{TokenSource, Usage, token_estimate};

/// What went through.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    produced: bool,
    output_tokens_estimate: u64,
}

impl Meter {
    pub(crate) fn count_pieces(&mut self, choices: &[ChunkChoice]) {
        for choice in choices {
            let delta = &choice.delta;
            for text in [&delta.content, &delta.refusal, &delta.reasoning_content] {
                self.count_text(text.as_deref().unwrap_or_default());
            }
            self.count_calls(delta.tool_calls.as_deref().unwrap_or_default());
        }
    }

    pub(crate) fn count_whole(&mut self, choices: &[AnswerChoice]) {
        self.produced = true;
        for choice in choices {
            let message = &choice.message;
            for text in [&message.content, &message.refusal, &message.reasoning_content] {
                self.count_text(text.as_deref().unwrap_or_default());
            }
            self.count_calls(message.tool_calls.as_deref().unwrap_or_default());
        }
    }

    fn count_text(&mut self, text: &str) {
        if !text.is_empty() {
            self.produced = true;
            self.output_tokens_estimate += token_estimate(text);
        }
    }

    fn count_calls(&mut self, calls: &[serde_json::Value]) {
        for call in calls {
            self.produced = true;
            let arguments = call["function"]["arguments"].as_str().unwrap_or_default();
            self.output_tokens_estimate += token_estimate(arguments);
        }
    }

    /// Whether anything came that is to be paid.
    pub(crate) fn produced(&self) -> bool {
        self.produced
    }

    /// The usage to charge.
    pub(crate) fn usage(&self, job: &ChatJob, ended: &Ended) -> (Usage, TokenSource) {
        match ended.usage {
            // A count that was cut off knows the input, and of the output only a lower bound.
            Some((usage, TokenSource::Estimated)) => {
                let output = usage.output.max(self.output_tokens_estimate);
                return (Usage { output, ..usage }, TokenSource::Estimated);
            }
            Some(counted) => return counted,
            None => {}
        }
        let usage = Usage {
            input: job.input_tokens_estimate.min(job.input_tokens_max),
            output: self.output_tokens_estimate.min(job.output_tokens_max),
            ..Usage::default()
        };
        (usage, TokenSource::Estimated)
    }
}
