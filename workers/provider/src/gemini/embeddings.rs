//! Vectors of texts: `batchEmbedContents`. The API counts nothing in its answer, so what is charged
//! is estimated.

use super::request::{address, bare};
use crate::problem;
use crate::translate::Call;
use crate::upstream::Upstream;
use crate::vectors::{Vector, Vectors, inputs};
use schemas::error::Problem;
use schemas::job::ChatJob;
use schemas::usage::Usage;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Our name of a field, Gemini's name.
const NAMED: [(&str, &str); 3] =
    [("dimensions", "outputDimensionality"), ("task_type", "taskType"), ("title", "title")];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VendorEmbeddings {
    #[serde(default)]
    embeddings: Vec<VendorEmbedding>,
    #[serde(default)]
    usage_metadata: Option<Counts>,
}

#[derive(Deserialize)]
struct VendorEmbedding {
    values: Vector,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Counts {
    #[serde(default)]
    prompt_token_count: Option<u64>,
}

/// Builds the request.
pub(super) fn request(job: &ChatJob, upstream: &Upstream) -> Result<Call, Problem> {
    let mut shared = Map::new();
    shared.insert("model".into(), format!("models/{}", bare(&upstream.name)).into());
    for (ours, theirs) in NAMED {
        if let Some(value) = job.chat.rest.get(ours).filter(|value| !value.is_null()) {
            shared.insert(theirs.into(), value.clone());
        }
    }
    let one = |input: Value| {
        let Value::String(text) = input else {
            return Err(problem::cannot(
                "input",
                "このモデルの入力は文字列だけです。",
                "This model takes texts only, no token numbers.",
            ));
        };
        let mut request = shared.clone();
        request.insert("content".into(), json!({"parts": [{"text": text}]}));
        Ok(Value::Object(request))
    };
    let requests = inputs(&job.chat.messages).into_iter().map(one);
    let requests = requests.collect::<Result<Vec<_>, _>>()?;
    Call::json(address(upstream, "batchEmbedContents")?, &json!({"requests": requests}), false)
}

/// Reads a 2xx body.
pub(super) fn vectors(body: &[u8]) -> Result<Vectors, Problem> {
    let answer: VendorEmbeddings = serde_json::from_slice(body).map_err(problem::unreadable)?;
    let vectors = answer.embeddings.into_iter().map(|embedding| embedding.values.base64());
    let counted = answer.usage_metadata.and_then(|counts| counts.prompt_token_count);
    Ok(Vectors {
        vectors: vectors.collect::<Result<_, _>>()?,
        usage: counted.map(|input| Usage { input, ..Usage::default() }),
    })
}
