//! The doors: signing in with a key, signing out, and the reader's choice of language and colours.
//! A door tells nobody whether a key exists, only whether it opens.

use super::cookies;
use super::guard::{Customer, Guest, Open, Operator, Sent};
use super::language::{LANGUAGE_COOKIE, Language};
use super::look::{Look, THEME_COOKIE, Theme};
use super::session::{Session, Who};
use super::texts::Landing;
use crate::auth;
use crate::state::Gateway;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use infra::clock;
use maud::html;
use schemas::error::ErrorCode;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// A choice is kept for a year.
const CHOICE_SECONDS: u64 = 365 * 24 * 3_600;

/// The customer's door.
pub(crate) async fn customer_door(State(gateway): State<Arc<Gateway>>, look: Look) -> Response {
    door(&gateway, &look, (StatusCode::OK, ""), false)
}

/// The operator's door.
pub(crate) async fn operator_door(State(gateway): State<Arc<Gateway>>, look: Look) -> Response {
    door(&gateway, &look, (StatusCode::OK, ""), true)
}

fn door(
    gateway: &Gateway,
    look: &Look,
    (status, wrong): (StatusCode, &str),
    is_operator: bool,
) -> Response {
    let t = Landing::of(look.language);
    let (title, told, label) = match is_operator {
        true => (t.admin_sign_in, t.admin_text, t.admin_key),
        false => (t.sign_in, t.sign_in_text, t.api_key),
    };
    if is_operator && gateway.admin_key.is_none() {
        return look.page(StatusCode::NOT_FOUND, title, html! { p.empty { (t.admin_none) } });
    }
    let action = if is_operator { Operator::DOOR } else { Customer::DOOR };
    look.page(
        status,
        title,
        html! {
            p.soft { (told) }
            @if !wrong.is_empty() { p.warning role="alert" #wrong { (wrong) } }
            form.card method="post" action=(action) {
                div.field {
                    label for="key" { (label) }
                    input.mono #key name="key" type="password" required autofocus
                        autocomplete="current-password" spellcheck="false";
                }
                button type="submit" { (t.sign_in) }
            }
            @if !is_operator {
                p.soft { br; a href="/#plans" { (t.buy) } }
            }
        },
    )
}

/// Signs a customer in.
pub(crate) async fn customer_enters(
    State(gateway): State<Arc<Gateway>>,
    look: Look,
    headers: HeaderMap,
    sent: Open,
) -> Response {
    let secret = sent.fields.text("key").to_owned();
    let opens = auth::open(&gateway, Some(&secret)).is_ok();
    enter::<Customer>(&gateway, (&look, &headers), &sent, opens.then_some(Who::Customer(secret)))
}

/// Signs the operator in.
pub(crate) async fn operator_enters(
    State(gateway): State<Arc<Gateway>>,
    look: Look,
    headers: HeaderMap,
    sent: Open,
) -> Response {
    let given = Sha256::digest(sent.fields.text("key"));
    let expected = gateway.admin_key.as_ref().map(|secret| Sha256::digest(secret.reveal()));
    let who = expected.is_some_and(|expected| expected == given).then_some(Who::Operator);
    enter::<Operator>(&gateway, (&look, &headers), &sent, who)
}

fn enter<G: Guest>(
    gateway: &Gateway,
    (look, headers): (&Look, &HeaderMap),
    sent: &Open,
    who: Option<Who>,
) -> Response {
    let t = Landing::of(look.language);
    let now_ms = clock::unix_ms();
    let is_operator = G::DOOR == Operator::DOOR;
    // Whoever guesses learns nothing more in this minute, not even that a guess was right.
    if let Err(wait_ms) = gateway.front.attempts.admit(&sent.place, now_ms) {
        let mut refused =
            door(gateway, look, (StatusCode::TOO_MANY_REQUESTS, t.too_often), is_operator);
        let seconds = HeaderValue::from(wait_ms.div_ceil(1_000).max(1));
        refused.headers_mut().insert(header::RETRY_AFTER, seconds);
        return refused;
    }
    let session = who.map(|who| Session::begin(who, now_ms));
    let sealed = session.as_ref().and_then(|session| gateway.front.seal.close(session));
    let (Some(session), Some(sealed)) = (session, sealed) else {
        gateway.front.attempts.failed(&sent.place);
        tracing::info!(place = sent.place, door = G::DOOR, "a wrong key at the door");
        let status = StatusCode::from_u16(ErrorCode::InvalidApiKey.status());
        let status = status.unwrap_or(StatusCode::UNAUTHORIZED);
        return door(gateway, look, (status, t.key_wrong), is_operator);
    };
    let seconds = session.ends_ms.saturating_sub(now_ms) / 1_000;
    let cookie = cookies::set(headers, G::COOKIE, &sealed, seconds);
    ([(header::SET_COOKIE, cookie)], Redirect::to(G::COOKIE.1)).into_response()
}

/// Signs somebody out: the session ends, whoever else has its cookie.
pub(crate) async fn leave<G: Guest + 'static>(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
    Sent { who, .. }: Sent<G>,
) -> Response {
    let session = who.session();
    if let Err(error) = gateway.store.use_up(&session.digest(), session.ends_ms).await {
        tracing::warn!(%error, "a session was signed out of, but its cookie stays good");
    }
    let gone = cookies::set(&headers, G::COOKIE, "", 0);
    ([(header::SET_COOKIE, gone)], Redirect::to(G::DOOR)).into_response()
}

/// Keeps a choice, and shows the same page again.
pub(crate) async fn prefer(headers: HeaderMap, sent: Open) -> Response {
    let mut response = Redirect::to(back(sent.fields.text("back"))).into_response();
    let language = Language::parse(sent.fields.text("language")).map(Language::code);
    let theme = Theme::parse(sent.fields.text("theme")).map(Theme::code);
    for (name, chosen) in [(LANGUAGE_COOKIE, language), (THEME_COOKIE, theme)] {
        if let Some(chosen) = chosen {
            let cookie = cookies::set(&headers, (name, "/"), chosen, CHOICE_SECONDS);
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
    response
}

/// Only to ourselves: two slashes would begin another host's name.
fn back(path: &str) -> &str {
    let is_ours = path.starts_with('/')
        && !path.starts_with("//")
        && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_ours { path } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_leads_nowhere_else() {
        assert_eq!(back("/account?x=1"), "/account?x=1");
        for foreign in ["", "//evil.example", "/\\evil.example", "https://evil.example", "/a\nb"] {
            assert_eq!(back(foreign), "/", "{foreign}");
        }
    }
}
