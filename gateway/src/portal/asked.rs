//! What the path and the query of a page ask for, by axum's own readers. What can't be read is a
//! page in the reader's language, never axum's plain text.

use super::look::Look;
use crate::state::Gateway;
use axum::extract::{self, FromRequestParts};
use axum::http::request::Parts;
use axum::response::Response;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// The named pieces of a page's path.
pub(crate) struct Path<T>(pub(crate) T);

/// What stands behind the question mark of a page's path.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Arc<Gateway>> for Path<T> {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        gateway: &Arc<Gateway>,
    ) -> Result<Self, Response> {
        match extract::Path::from_request_parts(parts, gateway).await {
            Ok(extract::Path(read)) => Ok(Self(read)),
            Err(_) => Err(misspelled(parts)),
        }
    }
}

impl<T: DeserializeOwned> FromRequestParts<Arc<Gateway>> for Query<T> {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        gateway: &Arc<Gateway>,
    ) -> Result<Self, Response> {
        match extract::Query::from_request_parts(parts, gateway).await {
            Ok(extract::Query(read)) => Ok(Self(read)),
            Err(_) => Err(misspelled(parts)),
        }
    }
}

/// The switches must not lead back to an address that can't be read.
fn misspelled(parts: &Parts) -> Response {
    Look::without_place(&parts.headers).misspelled()
}
