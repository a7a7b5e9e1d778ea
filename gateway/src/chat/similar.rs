//! Has the same been asked in other words? Asked only when the exact look found nothing, for keys
//! that want it. What is compared is masked; a placeholder is a fact like any other word, so an
//! answer that is found restores this request's own values. When Redis is away or slow nothing is
//! found. It never speaks for a question whose facts differ, however near the words are.

use super::receive::Received;
use crate::cache::SimilarKey;
use crate::cache::semantic::Vector;
use crate::state::Gateway;
use std::time::Duration;

/// A kept answer to another wording.
pub(super) struct Found {
    /// The answer, as it is kept.
    pub(super) answer: Vec<u8>,
    /// How alike the questions are, up to 1.
    pub(super) similarity: f64,
}

/// The kept answer to the nearest other wording, if it is near enough.
pub(super) async fn look(
    gateway: &Gateway,
    key: &SimilarKey,
    received: &Received,
) -> Option<Found> {
    let time_max = Duration::from_millis(gateway.config.cache.look_ms_max);
    let judge = |vector: &[u8]| {
        let similarity = key.vector().similarity(&Vector::from_bytes(vector)?);
        Some(similarity).filter(|it| *it >= gateway.config.cache.semantic_similarity_min)
    };
    let store = &gateway.store;
    let found = store.look_for_similar(key.tenant(), key.digest(), time_max, judge).await;
    let (answer, similarity) = match found {
        Ok(found) => found?,
        Err(error) => {
            tracing::warn!(%error, "other wordings can't be looked for");
            return None;
        }
    };
    let request = &received.request;
    tracing::debug!(%request, similarity, "another wording was answered");
    Some(Found { answer, similarity })
}
