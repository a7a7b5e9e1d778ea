//! Vectors of texts, as OpenAI and the servers that speak its protocol are asked for them. Base64
//! is asked for where it is known: it is a third of the size and read at once.

use super::answer::VendorUsage;
use super::error;
use super::identifiers;
use super::quirks::Quirks;
use crate::problem;
use crate::vectors::{Vector, Vectors, inputs};
use schemas::error::Problem;
use schemas::job::ChatJob;
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Deserialize)]
struct VendorEmbeddings {
    #[serde(default)]
    error: Option<Value>,
    #[serde(default)]
    data: Vec<VendorEmbedding>,
    #[serde(default)]
    usage: Option<VendorUsage>,
}

#[derive(Deserialize)]
struct VendorEmbedding {
    #[serde(default)]
    index: Option<usize>,
    embedding: Vector,
}

/// The body for a server of this kind.
pub(crate) fn body(job: &ChatJob, model: &str, quirks: &Quirks) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("model".into(), model.into());
    body.insert("input".into(), inputs(&job.chat.messages).into());
    if quirks.takes_base64 {
        body.insert("encoding_format".into(), "base64".into());
    }
    for (name, value) in &job.chat.rest {
        let named = quirks.renamed_in_embeddings.iter().find(|(ours, _)| ours == name);
        let name = named.map_or(name.as_str(), |(_, theirs)| theirs);
        body.insert(name.to_owned(), value.clone());
    }
    identifiers::shorten(&mut body, quirks);
    body
}

/// Reads a 2xx body.
pub(crate) fn vectors(body: &[u8]) -> Result<Vectors, Problem> {
    let answer: VendorEmbeddings = serde_json::from_slice(body).map_err(problem::unreadable)?;
    if let Some(error) = answer.error {
        return Err(error::inside(&error));
    }
    let mut data = answer.data;
    // In the order of the texts already, but that is nowhere promised.
    data.sort_by_key(|embedding| embedding.index.unwrap_or(usize::MAX));
    let vectors = data.into_iter().map(|embedding| embedding.embedding.base64());
    let vectors = vectors.collect::<Result<_, _>>()?;
    Ok(Vectors { vectors, usage: answer.usage.and_then(VendorUsage::input_alone) })
}
