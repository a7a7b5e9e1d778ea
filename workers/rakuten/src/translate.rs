//! A chat job in the engine's words: prompt, sampling, limits. A field that the model can't honour
//! is refused by its name here, before any work; nothing is dropped silently.

use crate::calls::{self, Calls};
use crate::engine::{
    self, Engine, EngineError, Form, GenerateRequest, Grammar, Prompt, Sampling, check_schema,
    validate_stops,
};
use crate::template::PromptOptions;
use schemas::error::{ErrorCode, Problem};
use schemas::job::ChatJob;
use schemas::openai::{ChatRequest, Message, Role, TOP_LOGPROBS_MAX};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

/// How sure a stranger's number must be to fit a 32-bit token number.
const TOKEN_NUMBER_MAX: i64 = i32::MAX as i64;

/// Highest `top_k`: no vocabulary has so many tokens.
const TOP_K_MAX: u32 = 1_000_000;

/// The engine knows no client's words, and still takes what the gateway lets through.
const _: () = assert!(engine::TOP_LOGPROBS_MAX == TOP_LOGPROBS_MAX);

/// A job as the engine takes it.
pub(crate) struct Translated {
    /// One for each choice asked for; all share the prompt.
    pub(crate) requests: Vec<GenerateRequest>,
    /// The functions that may be called, if any.
    pub(crate) calls: Option<Calls>,
    /// What ends a choice's words where functions may be called: a call isn't looked at for it.
    pub(crate) stops: Vec<String>,
}

/// What the engine has to do for a job.
pub(crate) fn requests(
    engine: &Engine,
    job: &ChatJob,
    system_prompt: Option<&str>,
    usual: &Sampling,
    cancel: &CancellationToken,
) -> Result<Translated, Problem> {
    refuse_what_it_cannot(&job.chat)?;
    let calls = Calls::of(&job.chat, engine.call_format()).map_err(refused)?;
    let prompt = prompt(engine, &job.chat, system_prompt, calls.as_ref())?;
    let sampling = sampling(&job.chat, usual)?;
    let grammar = grammar(engine, &job.chat, calls.as_ref(), cancel)?;
    let choices = u64::from(job.chat.n.unwrap_or(1).max(1));
    let tokens_max = u32::try_from(job.output_tokens_max / choices).unwrap_or(u32::MAX).max(1);
    let logprobs = job.chat.logprobs.unwrap_or(false);
    let top = u8::try_from(job.chat.top_logprobs.unwrap_or(0)).unwrap_or(u8::MAX);
    let stop = job.chat.stop.as_ref().map(|stop| stop.texts().to_vec()).unwrap_or_default();
    validate_stops(&stop).map_err(|error| problem(&error))?;
    let (stop, stops) = if calls.is_some() { (Vec::new(), stop) } else { (stop, Vec::new()) };
    let request = |choice: u64| GenerateRequest {
        prompt: prompt.clone(),
        // Choices of one seeded request differ, and are the same the next time.
        sampling: Sampling {
            seed: sampling.seed.map(|seed| seed.wrapping_add(choice)),
            ..sampling.clone()
        },
        stop: stop.clone(),
        tokens_max: Some(tokens_max),
        logprobs: logprobs.then_some(top),
        grammar: grammar.clone(),
        shows_calls: calls.is_some(),
        // One choice may end before the others.
        cancel: cancel.child_token(),
    };
    let requests = (0..choices).map(request).collect();
    Ok(Translated { requests, calls, stops })
}

fn refuse_what_it_cannot(chat: &ChatRequest) -> Result<(), Problem> {
    for (at, message) in chat.messages.iter().enumerate() {
        let parts = match &message.content {
            Some(schemas::openai::Content::Parts(parts)) => parts.as_slice(),
            _ => &[],
        };
        if parts.iter().any(|part| part.text.is_none()) {
            return Err(cannot(&format!("messages[{at}].content")));
        }
    }
    Ok(())
}

/// A field of the request that is not as it has to be.
fn refused((field, reason): calls::Refused) -> Problem {
    problem(&EngineError::request(field, reason))
}

/// What `response_format` and `tools` say the answer has to look like.
fn grammar(
    engine: &Engine,
    chat: &ChatRequest,
    calls: Option<&Calls>,
    cancel: &CancellationToken,
) -> Result<Option<Grammar>, Problem> {
    let form = form(chat)?;
    let (form, field) = match (calls, form) {
        (None, form) => (form, "response_format"),
        (Some(calls), Some(_)) if !calls.allows_form() => return Err(cannot("response_format")),
        (Some(calls), form) => {
            let schema = form.map(|form| match form {
                Form::Schema(schema) => schema,
                _ => serde_json::json!({"type": "object"}),
            });
            if let Some(schema) = &schema {
                let wrong = |reason| ("response_format", format!("can't be followed: {reason}"));
                check_schema(schema).map_err(|reason| refused(wrong(reason)))?;
            }
            (calls.grammar(schema.as_ref()).map(Form::Lark), "tools")
        }
    };
    let understood = form.map(|form| engine.constrain(form, cancel)).transpose();
    understood.map_err(|error| match error {
        EngineError::InvalidRequest { reason, .. } => refused((field, reason)),
        other => problem(&other),
    })
}

/// What `response_format` says an answer has to look like.
fn form(chat: &ChatRequest) -> Result<Option<Form>, Problem> {
    let Some(format) = &chat.response_format else { return Ok(None) };
    let form = match format["type"].as_str() {
        Some("text") | None => return Ok(None),
        Some("json_object") => Form::JsonObject,
        Some("json_schema") => match format["json_schema"].get("schema") {
            Some(schema) => Form::Schema(schema.clone()),
            None => Form::JsonObject,
        },
        Some(_) => return Err(cannot("response_format")),
    };
    Ok(Some(form))
}

fn cannot(field: &str) -> Problem {
    Problem::new(
        ErrorCode::InvalidRequest,
        format!(
            "このモデルは {field} に対応していません。別のモデルか \"auto\" を使ってください。"
        ),
        format!("This model can't honour '{field}': use another model, or \"auto\"."),
    )
    .at(field)
}

fn prompt(
    engine: &Engine,
    chat: &ChatRequest,
    system_prompt: Option<&str>,
    calls: Option<&Calls>,
) -> Result<Prompt, Problem> {
    let instructed = |message: &Message| matches!(message.role, Role::System | Role::Developer);
    let mut messages: Vec<Value> = Vec::with_capacity(chat.messages.len() + 1);
    if let Some(text) = system_prompt.filter(|_| !chat.messages.iter().any(instructed)) {
        messages.push(encoded(&Message::text(Role::System, text))?);
    }
    for message in &chat.messages {
        let mut value = encoded(message)?;
        if message.role == Role::Developer {
            // Templates know the older name only.
            value["role"] = "system".into();
        }
        messages.push(value);
    }
    let messages = calls::turns(messages, calls, engine.call_format());
    let options = PromptOptions {
        answer_begins: calls.map_or("", Calls::opening),
        ..PromptOptions::default()
    };
    let tools = calls.and_then(Calls::for_template);
    engine.prompt(&messages, tools, &options).map_err(|error| problem(&error))
}

fn encoded(message: &Message) -> Result<Value, Problem> {
    serde_json::to_value(message).map_err(|error| {
        tracing::error!(%error, "a message can't be encoded");
        problem(&EngineError::Stopped)
    })
}

/// What the request says of the choice of tokens, and what it leaves open as the operator chose.
fn sampling(chat: &ChatRequest, usual: &Sampling) -> Result<Sampling, Problem> {
    let own = |name| own(chat, name).map_err(|reason| refused((name, reason)));
    let number = |value: Option<f64>, usual: f32| value.map_or(usual, |value| value as f32);
    Ok(Sampling {
        temperature: number(chat.temperature, usual.temperature),
        top_p: number(chat.top_p, usual.top_p),
        top_k: top_k(chat)?.unwrap_or(usual.top_k),
        min_p: number(own("min_p")?, usual.min_p),
        presence_penalty: number(chat.presence_penalty, usual.presence_penalty),
        frequency_penalty: number(chat.frequency_penalty, usual.frequency_penalty),
        repetition_penalty: number(own("repetition_penalty")?, usual.repetition_penalty),
        seed: chat.seed.map(|seed| seed as u64),
        logit_bias: logit_bias(chat.logit_bias.as_ref())?,
    })
}

/// A number that OpenAI has no field for.
fn own(chat: &ChatRequest, name: &str) -> Result<Option<f64>, String> {
    match chat.rest.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_f64().map(Some).ok_or_else(|| "must be a number".to_owned()),
    }
}

fn top_k(chat: &ChatRequest) -> Result<Option<u32>, Problem> {
    let wrong = || refused(("top_k", format!("must be a whole number from 0 to {TOP_K_MAX}")));
    match chat.rest.get("top_k") {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let whole = value.as_u64().filter(|value| *value <= u64::from(TOP_K_MAX));
            whole.and_then(|value| u32::try_from(value).ok()).map(Some).ok_or_else(wrong)
        }
    }
}

fn logit_bias(biases: Option<&Map<String, Value>>) -> Result<Vec<(i32, f32)>, Problem> {
    let bias = |(token, bias): (&String, &Value)| {
        let token: i64 =
            token.parse().ok().filter(|token| (0..=TOKEN_NUMBER_MAX).contains(token))?;
        Some((i32::try_from(token).ok()?, bias.as_f64()? as f32))
    };
    biases.into_iter().flatten().map(bias).collect::<Option<_>>().ok_or_else(|| {
        Problem::new(
            ErrorCode::InvalidRequest,
            "logit_bias には、トークン番号をキー、-100以上100以下の数を値とするオブジェクトを指定して\
             ください。",
            "'logit_bias' maps token numbers to numbers from -100 to 100.",
        )
        .at("logit_bias")
    })
}

/// What the client is told of an engine's error.
pub(crate) fn problem(error: &EngineError) -> Problem {
    match error {
        EngineError::InvalidRequest { parameter, .. } => Problem::new(
            ErrorCode::InvalidRequest,
            format!("{parameter} が正しくありません: {error}"),
            format!("'{error}'"),
        )
        .at(*parameter),
        EngineError::ContextLengthExceeded { prompt_tokens, context_tokens } => Problem::new(
            ErrorCode::ContextLengthExceeded,
            format!(
                "プロンプト（{prompt_tokens} トークン）がこのモデルの上限（{context_tokens}）を\
                 超えています。短くしてください。"
            ),
            format!(
                "This model's maximum context length is {context_tokens} tokens, and the prompt \
                 has {prompt_tokens}. Shorten it."
            ),
        )
        .at("messages"),
        EngineError::Template(_) => Problem::new(
            ErrorCode::InvalidRequest,
            "このモデルのテンプレートは、この順序のメッセージに対応していません。",
            "The model's chat template refuses these messages (order of roles?).",
        )
        .at("messages"),
        EngineError::Busy { .. } => Problem::new(
            ErrorCode::UpstreamOverloaded,
            "モデルが混み合っています。しばらくしてからもう一度お試しください。",
            "The model is busy. Try again in a moment.",
        )
        .retry_after_ms(1_000),
        EngineError::Cancelled => stopped(),
        _ => Problem::new(
            ErrorCode::UpstreamError,
            "ローカルモデルでエラーが起きました。もう一度お試しください。",
            "The local model failed. Please try again.",
        ),
    }
}

/// What nobody wants any more, or had to end.
pub(crate) fn stopped() -> Problem {
    Problem::new(
        ErrorCode::StreamInterrupted,
        "回答を途中で停止しました。生成された分だけが課金されます。",
        "The answer was stopped. Only what was produced is charged.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_request_leaves_open_is_as_the_operator_chose() {
        let usual = Sampling {
            temperature: 0.7,
            top_p: 0.9,
            repetition_penalty: 1.05,
            ..Sampling::default()
        };
        let asked = |fields: Value| {
            let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "a"}]});
            body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            sampling(&serde_json::from_value(body).unwrap(), &usual).unwrap()
        };
        assert_eq!(asked(json!({})), usual);
        let own = asked(json!({"temperature": 0, "repetition_penalty": 1.3, "seed": 4}));
        assert_eq!((own.temperature, own.repetition_penalty), (0.0, 1.3));
        assert_eq!((own.top_p, own.seed), (0.9, Some(4)));
        assert_eq!(asked(json!({"top_k": null, "min_p": null})), usual);
        assert_eq!(asked(json!({"top_k": 7, "min_p": 0})).top_k, 7);
    }

    #[test]
    fn a_field_of_a_wrong_kind_is_refused_by_its_name() {
        for (name, value) in [
            ("min_p", json!("abc")),
            ("repetition_penalty", json!([1])),
            ("top_k", json!("a")),
            ("top_k", json!(-1)),
            ("top_k", json!(1.5)),
            ("top_k", json!(1e9)),
        ] {
            let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "a"}]});
            body[name] = value.clone();
            let chat = serde_json::from_value(body).unwrap();
            let problem = sampling(&chat, &Sampling::default()).unwrap_err();
            assert_eq!(problem.code, ErrorCode::InvalidRequest, "{name}: {value}");
            assert_eq!(problem.parameter.as_deref(), Some(name), "{value}");
        }
    }
}
