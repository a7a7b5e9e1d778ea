//! What a request asks of the engine and what comes back.
//!
//! Must refuse here, with the parameter's name, everything that would be undefined further in:
//! past [`GenerateRequest::validate`] no value of a client can stop the process.

use tokio_util::sync::CancellationToken;

use super::error::EngineError;
use super::grammar::Grammar;

/// Most stop strings of one request.
const STOP_STRINGS_MAX: usize = 32;
/// Longest stop string, bytes.
const STOP_BYTES_MAX: usize = 1_024;
/// Most alternatives reported for each token.
pub(crate) const TOP_LOGPROBS_MAX: u8 = 20;
/// Most entries of a logit bias.
const LOGIT_BIAS_ENTRIES_MAX: usize = 1_024;
/// Highest temperature.
const TEMPERATURE_MAX: f32 = 2.0;
/// Highest presence or frequency penalty, either way.
const PENALTY_MAX: f32 = 2.0;
/// Highest repetition penalty.
const REPETITION_PENALTY_MAX: f32 = 10.0;
/// Highest logit bias, either way.
const LOGIT_BIAS_MAX: f32 = 100.0;

/// How the next token is chosen. [`Sampling::default`] is llama.cpp's own default.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    /// 0 takes the likeliest token always; higher is more varied. 0 to 2. Default 0.8.
    pub temperature: f32,
    /// Keep the likeliest tokens that make up this share. 0 to 1, 1 is off. Default 0.95.
    pub top_p: f32,
    /// Keep this many of the likeliest tokens; 0 is off. Default 40.
    pub top_k: u32,
    /// Drop tokens less likely than this share of the likeliest. 0 to 1, 0 is off. Default 0.05.
    pub min_p: f32,
    /// Subtracted from the logit of each token the answer has already. −2 to 2. Default 0.
    pub presence_penalty: f32,
    /// Subtracted once for each time the answer has the token. −2 to 2. Default 0.
    pub frequency_penalty: f32,
    /// Divides the logits of tokens seen lately in prompt or answer. Above 0 to 10, 1 is off.
    /// Default 1.
    pub repetition_penalty: f32,
    /// The same seed beside the same load gives the same text; `None` takes a random one.
    pub seed: Option<u64>,
    /// Added to the logits of single tokens: (token, −100 to 100).
    pub logit_bias: Vec<(i32, f32)>,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 0.8,
            top_p: 0.95,
            top_k: 40,
            min_p: 0.05,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            repetition_penalty: 1.0,
            seed: None,
            logit_bias: Vec::new(),
        }
    }
}

impl Sampling {
    /// The likeliest token always.
    #[must_use]
    pub fn greedy() -> Self {
        Self { temperature: 0.0, ..Self::default() }
    }

    fn validate(&self, vocabulary_tokens: usize) -> Result<(), EngineError> {
        within("temperature", self.temperature, 0.0, TEMPERATURE_MAX)?;
        within("top_p", self.top_p, 0.0, 1.0)?;
        within("min_p", self.min_p, 0.0, 1.0)?;
        within("presence_penalty", self.presence_penalty, -PENALTY_MAX, PENALTY_MAX)?;
        within("frequency_penalty", self.frequency_penalty, -PENALTY_MAX, PENALTY_MAX)?;
        let least = f32::MIN_POSITIVE;
        within("repetition_penalty", self.repetition_penalty, least, REPETITION_PENALTY_MAX)?;
        if self.logit_bias.len() > LOGIT_BIAS_ENTRIES_MAX {
            let reason = format!("may have at most {LOGIT_BIAS_ENTRIES_MAX} entries");
            return Err(EngineError::request("logit_bias", reason));
        }
        for (token, bias) in &self.logit_bias {
            within("logit_bias", *bias, -LOGIT_BIAS_MAX, LOGIT_BIAS_MAX)?;
            if !usize::try_from(*token).is_ok_and(|token| token < vocabulary_tokens) {
                let reason = format!("names token {token}, and there are {vocabulary_tokens}");
                return Err(EngineError::request("logit_bias", reason));
            }
        }
        Ok(())
    }
}

fn within(parameter: &'static str, value: f32, least: f32, most: f32) -> Result<(), EngineError> {
    // A NaN is in no range.
    if (least..=most).contains(&value) {
        return Ok(());
    }
    let reason = format!("must be between {least} and {most}, and is {value}");
    Err(EngineError::request(parameter, reason))
}

/// A prompt of a certain engine, in that engine's tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    pub(super) tokens: Vec<i32>,
    /// The tokenizer puts a space in front of the answer that is not part of it.
    pub(super) answer_starts_with_space: bool,
}

impl Prompt {
    /// The tokens, the beginning-of-text token included.
    #[must_use]
    pub fn tokens(&self) -> &[i32] {
        &self.tokens
    }
}

/// One answer to be written.
#[derive(Debug, Clone)]
pub struct GenerateRequest {
    /// From [`super::Engine::prompt`] of the same engine.
    pub prompt: Prompt,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// The answer ends in front of the first of these: at most `STOP_STRINGS_MAX`, each 1 to
    /// `STOP_BYTES_MAX` bytes.
    pub stop: Vec<String>,
    /// Most tokens of the answer, at least 1; `None` or more than the context has left means: to
    /// the end of the context.
    pub tokens_max: Option<u32>,
    /// `Some(n)`: report each token's log probability and the `n` likeliest, at most
    /// `TOP_LOGPROBS_MAX`.
    pub logprobs: Option<u8>,
    /// What the answer has to look like, from [`super::Engine::constrain`] of the same engine.
    pub grammar: Option<Grammar>,
    /// Show the control tokens that begin or divide calls of functions, which are hidden else.
    pub shows_calls: bool,
    /// Cancelled by the caller to free the slot within one decode step. Dropping the receiver
    /// does the same.
    pub cancel: CancellationToken,
}

impl GenerateRequest {
    /// A request with default sampling and no limits but the context's.
    #[must_use]
    pub fn new(prompt: Prompt) -> Self {
        Self {
            prompt,
            sampling: Sampling::default(),
            stop: Vec::new(),
            tokens_max: None,
            logprobs: None,
            grammar: None,
            shows_calls: false,
            cancel: CancellationToken::new(),
        }
    }

    /// Refuses everything outside its range.
    pub(super) fn validate(
        &self,
        vocabulary_tokens: usize,
        context_tokens: usize,
    ) -> Result<(), EngineError> {
        let prompt_tokens = self.prompt.tokens.len();
        if prompt_tokens == 0 {
            return Err(EngineError::request("prompt", "must not be empty"));
        }
        let known = |token: &i32| usize::try_from(*token).is_ok_and(|id| id < vocabulary_tokens);
        if !self.prompt.tokens.iter().all(known) {
            return Err(EngineError::request("prompt", "was made by another model's engine"));
        }
        if prompt_tokens >= context_tokens {
            return Err(EngineError::ContextLengthExceeded { prompt_tokens, context_tokens });
        }
        if self.tokens_max == Some(0) {
            return Err(EngineError::request("max_tokens", "must be at least 1"));
        }
        if self.logprobs.is_some_and(|top| top > TOP_LOGPROBS_MAX) {
            let reason = format!("must be at most {TOP_LOGPROBS_MAX}");
            return Err(EngineError::request("top_logprobs", reason));
        }
        validate_stops(&self.stop)?;
        self.sampling.validate(vocabulary_tokens)
    }
}

/// Refuses texts that can't end an answer.
pub(crate) fn validate_stops(stops: &[String]) -> Result<(), EngineError> {
    if stops.len() > STOP_STRINGS_MAX {
        let reason = format!("may have at most {STOP_STRINGS_MAX} strings");
        return Err(EngineError::request("stop", reason));
    }
    if stops.iter().any(|stop| stop.is_empty() || stop.len() > STOP_BYTES_MAX) {
        let reason = format!("strings must have 1 to {STOP_BYTES_MAX} bytes");
        return Err(EngineError::request("stop", reason));
    }
    Ok(())
}

/// A token and how likely the model thought it.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenLogprob {
    /// The token's number.
    pub token: i32,
    /// Its bytes, which may be part of a character.
    pub bytes: Vec<u8>,
    /// Natural logarithm of its probability, before temperature and every other setting.
    pub logprob: f32,
    /// The likeliest tokens in its place, the likeliest first; their own `top` is empty.
    pub top: Vec<TokenLogprob>,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// The model ended it, or a stop string came.
    Stop,
    /// `tokens_max` or the context is used up.
    Length,
    /// The caller cancelled it, or dropped the receiver.
    Cancelled,
}

/// Tokens of one request, by this model's tokenizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Tokens of the whole prompt.
    pub prompt_tokens: u32,
    /// Of these, how many did not have to be computed.
    pub cached_prompt_tokens: u32,
    /// Tokens produced for the answer; the token that ends an answer is not counted.
    pub completion_tokens: u32,
}

/// Where the time of one request went, seconds.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Timing {
    /// From [`super::Engine::generate`] until a slot took it.
    pub queue_seconds: f64,
    /// From there until the prompt was computed.
    pub prompt_seconds: f64,
    /// From there until the end.
    pub answer_seconds: f64,
}

/// The end of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// Why it ended.
    pub reason: FinishReason,
    /// The stop string that ended it, if one did.
    pub stop: Option<String>,
    /// What it cost.
    pub usage: Usage,
    /// How long it took.
    pub timing: Timing,
}

/// What the receiver of [`super::Engine::generate`] hears: `Started`, any number of `Text`, then
/// exactly one `Finished` or `Failed`. A channel that closes without either means that the
/// engine's thread died.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A slot has taken the request.
    Started {
        /// Tokens of the prompt.
        prompt_tokens: u32,
        /// Of these, how many need not be computed.
        cached_prompt_tokens: u32,
    },
    /// More of the answer: whole characters, never a stop string or a part of one. Steps are
    /// joined while the reader is slow.
    Text {
        /// The text; empty only where a token has log probabilities and no text of its own.
        text: String,
        /// One entry for each token, where they were asked for.
        logprobs: Vec<TokenLogprob>,
    },
    /// The answer is complete.
    Finished(Finished),
    /// The answer ends here because something broke.
    Failed(EngineError),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl FnOnce(&mut GenerateRequest)) -> String {
        let prompt = Prompt { tokens: vec![1, 2], answer_starts_with_space: false };
        let mut request = GenerateRequest::new(prompt);
        change(&mut request);
        request.validate(10, 8).unwrap_err().to_string()
    }

    #[test]
    fn each_bad_parameter_is_named() {
        for value in [f32::NAN, f32::INFINITY, -1e30] {
            assert!(refused(|request| request.sampling.temperature = value).contains("temp"));
            assert!(refused(|request| request.sampling.top_p = value).contains("top_p"));
            assert!(refused(|request| request.sampling.min_p = value).contains("min_p"));
            assert!(refused(|request| request.sampling.presence_penalty = value).contains("pres"));
            assert!(refused(|request| request.sampling.frequency_penalty = value).contains("freq"));
            assert!(refused(|request| request.sampling.repetition_penalty = value).contains("rep"));
            assert!(
                refused(|request| request.sampling.logit_bias = vec![(1, value)]).contains("bias")
            );
        }
        assert!(refused(|request| request.sampling.repetition_penalty = 0.0).contains("rep"));
        assert!(refused(|request| request.sampling.logit_bias = vec![(10, 1.0)]).contains("10"));
        assert!(refused(|request| request.sampling.logit_bias = vec![(-1, 1.0)]).contains("-1"));
        assert!(refused(|request| request.tokens_max = Some(0)).contains("max_tokens"));
        assert!(refused(|request| request.logprobs = Some(21)).contains("top_logprobs"));
        assert!(refused(|request| request.stop = vec![String::new()]).contains("stop"));
        assert!(refused(|request| request.stop = vec!["x".repeat(2_000)]).contains("stop"));
        assert!(refused(|request| request.stop = vec!["x".into(); 33]).contains("stop"));
        assert!(refused(|request| request.prompt.tokens.clear()).contains("prompt"));
        assert!(refused(|request| request.prompt.tokens = vec![10]).contains("prompt"));
        assert!(refused(|request| request.prompt.tokens = vec![1; 8]).contains("8 tokens"));
    }
}
