//! Who may open a page, and which forms are believed. A page that needs somebody takes a
//! [`Customer`] or an [`Operator`], and a form's fields come only out of [`Sent`], which has looked
//! at where the form was shown: so no handler can forget it.

use super::cookies;
use super::look::Look;
use super::session::{Session, Who};
use crate::api::incoming::BODY_SECONDS_MAX;
use crate::auth::{self, sha256_hex};
use crate::serve::whereabouts::Whereabouts;
use crate::state::Gateway;
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use infra::clock;
use maud::{Markup, html};
use schemas::ids::RequestId;
use schemas::records::KeyRecordV1;
use std::sync::Arc;

/// The cookies of sessions, each with where it is sent.
pub(crate) const CUSTOMER_COOKIE: (&str, &str) = ("fly_account", "/account");
pub(crate) const OPERATOR_COOKIE: (&str, &str) = ("fly_admin", "/admin");

/// Largest form, in bytes.
const FORM_BYTES_MAX: usize = 256 * 1024;

/// Fields of a form at most.
const FIELDS_MAX: usize = 2_000;

/// The header with which our own script sends a form's token.
const X_FLY_TOKEN: &str = "x-fly-token";

/// A signed-in customer, whose key is live.
pub(crate) struct Customer {
    /// The key of the session.
    pub(crate) key: Arc<KeyRecordV1>,
    /// Its secret: for calls in its name.
    pub(crate) secret: String,
    may_manage: bool,
    session: Session,
}

impl Customer {
    /// Whether the key may make and change keys. One with limits of its own may not: it could give
    /// itself more.
    pub(crate) fn may_manage(&self) -> bool {
        self.may_manage
    }

    /// The headers of a call of the API in the customer's name.
    pub(crate) fn headers(&self, from: &HeaderMap) -> HeaderMap {
        authorized(from, &self.secret)
    }
}

/// The operator, signed in.
pub(crate) struct Operator {
    session: Session,
}

fn authorized(from: &HeaderMap, secret: &str) -> HeaderMap {
    let mut headers = from.clone();
    headers.remove(header::COOKIE);
    headers.remove("x-api-key");
    headers.remove(header::CONTENT_TYPE);
    if let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {secret}")) {
        value.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, value);
    }
    headers
}

/// Somebody with a session.
pub(crate) trait Guest: Sized + Send {
    /// The session's cookie.
    const COOKIE: (&'static str, &'static str);
    /// Where one signs in.
    const DOOR: &'static str;

    /// The guest of a session, if the session still is good for one.
    fn of(gateway: &Gateway, session: Session) -> Option<Self>;

    /// The session.
    fn session(&self) -> &Session;

    /// What this guest's forms carry.
    fn token(&self) -> String {
        self.session().token()
    }
}

impl Guest for Customer {
    const COOKIE: (&'static str, &'static str) = CUSTOMER_COOKIE;
    const DOOR: &'static str = "/account/sign-in";

    fn of(gateway: &Gateway, session: Session) -> Option<Self> {
        let Who::Customer(secret) = session.who.clone() else { return None };
        let key = auth::open(gateway, Some(&secret)).ok()?;
        // As it is recorded, without what its account's limits take away.
        let may_manage = gateway.keys.get(&key.key).is_some_and(|own| own.limits.is_empty());
        Some(Self { key, secret, may_manage, session })
    }

    fn session(&self) -> &Session {
        &self.session
    }
}

impl Guest for Operator {
    const COOKIE: (&'static str, &'static str) = OPERATOR_COOKIE;
    const DOOR: &'static str = "/admin/sign-in";

    fn of(gateway: &Gateway, session: Session) -> Option<Self> {
        let is_operator = matches!(session.who, Who::Operator) && gateway.admin_key.is_some();
        is_operator.then_some(Self { session })
    }

    fn session(&self) -> &Session {
        &self.session
    }
}

async fn guest<G: Guest>(gateway: &Gateway, headers: &HeaderMap) -> Option<G> {
    let sealed = cookies::find(headers, G::COOKIE.0)?;
    let guest = G::of(gateway, gateway.front.seal.open(&sealed, clock::unix_ms())?)?;
    let was_left = gateway.store.is_used_up(&guest.session().digest()).await;
    let was_left = was_left.unwrap_or_else(|error| {
        tracing::warn!(%error, "Redis is away: a session that may have ended is accepted");
        false
    });
    (!was_left).then_some(guest)
}

fn to_the_door<G: Guest>() -> Response {
    Redirect::to(G::DOOR).into_response()
}

impl FromRequestParts<Arc<Gateway>> for Customer {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        gateway: &Arc<Gateway>,
    ) -> Result<Self, Response> {
        guest(gateway, &parts.headers).await.ok_or_else(to_the_door::<Self>)
    }
}

impl FromRequestParts<Arc<Gateway>> for Operator {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        gateway: &Arc<Gateway>,
    ) -> Result<Self, Response> {
        guest(gateway, &parts.headers).await.ok_or_else(to_the_door::<Self>)
    }
}

/// A form's fields, in their order.
#[derive(Debug, Default)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    pub(crate) fn read(body: &[u8]) -> Self {
        Self(form_urlencoded::parse(body).into_owned().take(FIELDS_MAX).collect())
    }

    /// A field's text without what surrounds it; empty when it is absent.
    pub(crate) fn text(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.trim())
    }

    /// A field's text, if there is any.
    pub(crate) fn given(&self, name: &str) -> Option<&str> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    /// All values of a field.
    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        let all = self.0.iter().filter(|(known, value)| known == name && !value.is_empty());
        all.map(|(_, value)| value.clone()).collect()
    }
}

/// A form of a page that anybody may open.
pub(crate) struct Open {
    /// What was filled in.
    pub(crate) fields: Fields,
    /// Where it comes from, as far as it can be told.
    pub(crate) place: String,
}

/// A form of a page that is only shown to a guest.
pub(crate) struct Sent<G> {
    /// Who sent it.
    pub(crate) who: G,
    /// What was filled in.
    pub(crate) fields: Fields,
}

impl<G: Guest> Sent<G> {
    /// What the form is remembered by, if it has a name of its own.
    fn digest(&self) -> Option<String> {
        let unique = self.fields.given("unique")?;
        Some(sha256_hex(format!("form {} {unique}", self.who.token()).as_bytes()))
    }

    /// Whether a form that [`once`] named comes for the first time: a reload or a second click does
    /// nothing twice. While Redis is away it counts as the first.
    pub(crate) async fn is_first(&self, gateway: &Gateway) -> bool {
        let Some(digest) = self.digest() else { return true };
        let spent = gateway.store.use_up(&digest, self.who.session().ends_ms).await;
        spent.unwrap_or_else(|error| {
            tracing::warn!(%error, "Redis is away: a form that may have come before is accepted");
            true
        })
    }

    /// Nothing came of the form: it may be sent again.
    pub(crate) async fn undo(&self, gateway: &Gateway) {
        if let Some(digest) = self.digest()
            && let Err(error) = gateway.store.undo_use(&digest).await
        {
            tracing::warn!(%error, "a form that did nothing stays as sent");
        }
    }
}

/// Names a form that must not do its work twice.
pub(crate) fn once() -> Markup {
    html! { input type="hidden" name="unique" value=(RequestId::fresh()); }
}

impl FromRequest<Arc<Gateway>> for Open {
    type Rejection = Response;

    async fn from_request(request: Request, gateway: &Arc<Gateway>) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        let look = Look::of(&parts.headers, &parts.uri);
        if !is_from_here(&parts.headers) {
            return Err(look.refused());
        }
        let place = Whereabouts::of(&parts, gateway).0;
        Ok(Self { fields: fields(&look, body).await?, place })
    }
}

impl<G: Guest> FromRequest<Arc<Gateway>> for Sent<G> {
    type Rejection = Response;

    async fn from_request(request: Request, gateway: &Arc<Gateway>) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        let look = Look::of(&parts.headers, &parts.uri);
        let who: G = guest(gateway, &parts.headers).await.ok_or_else(to_the_door::<G>)?;
        if !is_from_here(&parts.headers) {
            return Err(look.refused());
        }
        let fields = fields(&look, body).await?;
        if who.session().owns(fields.text("token")) {
            Ok(Self { who, fields })
        } else {
            Err(look.refused())
        }
    }
}

/// A call by our own script, with its body unread.
pub(crate) struct Called<G> {
    /// Who calls.
    pub(crate) who: G,
    /// The rest of the call.
    pub(crate) parts: Parts,
    /// Its body.
    pub(crate) body: Body,
}

impl<G: Guest> FromRequest<Arc<Gateway>> for Called<G> {
    type Rejection = Response;

    async fn from_request(request: Request, gateway: &Arc<Gateway>) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        let refused = || StatusCode::FORBIDDEN.into_response();
        let who: G = guest(gateway, &parts.headers)
            .await
            .ok_or_else(|| StatusCode::UNAUTHORIZED.into_response())?;
        let token = parts.headers.get(X_FLY_TOKEN).and_then(|token| token.to_str().ok());
        let is_ours = token.is_some_and(|token| who.session().owns(token));
        if is_ours && is_from_here(&parts.headers) {
            return Ok(Self { who, parts, body });
        }
        Err(refused())
    }
}

async fn fields(look: &Look, body: Body) -> Result<Fields, Response> {
    let read = axum::body::to_bytes(body, FORM_BYTES_MAX);
    match tokio::time::timeout(BODY_SECONDS_MAX, read).await {
        Ok(Ok(bytes)) => Ok(Fields::read(&bytes)),
        Ok(Err(_)) | Err(_) => Err(look.unread()),
    }
}

/// Browsers say which site a form was shown on; a program that says nothing has no cookie either.
fn is_from_here(headers: &HeaderMap) -> bool {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = header("sec-fetch-site") {
        return matches!(site, "same-origin" | "none");
    }
    let host = header(header::HOST.as_str()).unwrap_or_default();
    header("origin")
        .is_none_or(|origin| origin.split_once("://").is_some_and(|(_, origin)| origin == host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn forms_of_other_sites_are_strange() {
        let from_here = |pairs: &[_]| is_from_here(&headers(pairs));
        assert!(from_here(&[]));
        assert!(from_here(&[("sec-fetch-site", "same-origin"), ("origin", "http://x")]));
        assert!(!from_here(&[("sec-fetch-site", "cross-site")]));
        assert!(!from_here(&[("sec-fetch-site", "same-site")]));
        assert!(from_here(&[("host", "a:1"), ("origin", "http://a:1")]));
        assert!(!from_here(&[("host", "a:1"), ("origin", "http://b:1")]));
        assert!(!from_here(&[("host", "a:1"), ("origin", "null")]));
    }

    #[test]
    fn fields_are_read_in_order() {
        let fields = Fields::read("a=+x+&m=1&m=2&m=&b=%E6%9D%B1%3C".as_bytes());
        assert_eq!((fields.text("a"), fields.text("b"), fields.text("c")), ("x", "東<", ""));
        assert_eq!(fields.all("m"), ["1", "2"]);
        assert_eq!(fields.given("c"), None);
    }
}
