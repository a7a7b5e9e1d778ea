//! What a path and a query ask for, by axum's own readers. What can't be read is answered as every
//! other error of the API is, never in axum's plain text.

use super::error::ApiError;
use axum::extract::{self, FromRequestParts};
use axum::http::request::Parts;
use schemas::error::{ErrorCode, Problem};
use serde::de::DeserializeOwned;

/// The named pieces of a path.
pub(crate) struct Path<T>(pub(crate) T);

/// What stands behind a path's question mark.
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match extract::Path::from_request_parts(parts, state).await {
            Ok(extract::Path(read)) => Ok(Self(read)),
            Err(refused) => Err(unreadable("パス", "path", &refused.body_text())),
        }
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match extract::Query::from_request_parts(parts, state).await {
            Ok(extract::Query(read)) => Ok(Self(read)),
            Err(refused) => Err(unreadable("クエリー", "query", &refused.body_text())),
        }
    }
}

fn unreadable(japanese: &str, english: &str, cause: &str) -> ApiError {
    let cause: String = cause.chars().take(300).collect();
    let english = format!("The URL's {english} can't be read: {cause}.");
    Problem::new(
        ErrorCode::InvalidRequest,
        format!("URL の{japanese}を読めません: {cause}"),
        english,
    )
    .into()
}
