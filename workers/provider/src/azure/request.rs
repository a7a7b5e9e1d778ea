//! The job as a request to a deployment. The older API has the deployment in the address and needs
//! its version there; the newer one, below `/openai/v1`, has it as the model and needs none.

use crate::openai::{ITSELF, embeddings_body, request_body};
use crate::problem;
use crate::translate::Call;
use crate::upstream::Upstream;
use schemas::error::Problem;
use schemas::job::ChatJob;

/// The version asked for when the configuration names none.
const API_VERSION: &str = "2024-10-21";

/// How the address of the newer API ends.
const NEWER: &str = "/openai/v1";

/// Builds the request.
pub(super) fn request(job: &ChatJob, upstream: &Upstream) -> Result<Call, Problem> {
    let url = address(upstream, "chat/completions")?;
    Call::json(url, &request_body(job, &upstream.name, &ITSELF)?, job.stream)
}

/// Builds the request for vectors.
pub(super) fn embeddings(job: &ChatJob, upstream: &Upstream) -> Result<Call, Problem> {
    let url = address(upstream, "embeddings")?;
    Call::json(url, &embeddings_body(job, &upstream.name, &ITSELF), false)
}

/// Where a deployment's operation is.
fn address(upstream: &Upstream, operation: &str) -> Result<String, Problem> {
    let base = upstream.base().ok_or_else(problem::unreachable)?;
    let version = upstream.api_version.as_deref();
    if base.ends_with(NEWER) {
        let query = version.map(|version| format!("?api-version={version}")).unwrap_or_default();
        return Ok(format!("{base}/{operation}{query}"));
    }
    let (root, version) = (base.trim_end_matches("/openai"), version.unwrap_or(API_VERSION));
    let name = &upstream.name;
    Ok(format!("{root}/openai/deployments/{name}/{operation}?api-version={version}"))
}
