//! Talking to a model: our own script streams from here. The chat walks the same way as any other,
//! with the key of the session, and is charged like any other.

use super::super::guard::{Called, Customer, Guest};
use super::super::language::Language;
use super::super::look::Look;
use super::super::texts::{Account, Common, names};
use super::room;
use crate::api::chat_completions::ChatCompletion;
use crate::api::checkout::public_url;
use crate::api::surface;
use crate::auto::may_use;
use crate::pii::Kind;
use crate::state::Gateway;
use axum::Extension;
use axum::extract::{MatchedPath, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use maud::{Markup, html};
use schemas::catalogue::Capability;
use schemas::ids::RequestId;
use serde_json::Value;
use std::sync::Arc;

/// Shows it.
pub(super) async fn show(
    State(gateway): State<Arc<Gateway>>,
    look: Look,
    who: Customer,
    headers: HeaderMap,
) -> Response {
    let t = Account::of(look.language);
    let common = Common::of(look.language);
    let base = public_url(&gateway, &headers);
    room(
        &look,
        &who,
        ("/account/playground", t.playground),
        html! {
            noscript { p.warning { (t.needs_script) } }
            div #talk .talk data-path="/account/playground/chat" data-token=(who.token())
                data-base=(base) data-send=(t.send) data-stop=(t.stop) data-stopped=(t.stopped)
                data-failed=(t.failed) data-model=(t.model) data-reason=(t.reason)
                data-masked=(t.masked) data-cache=(t.cached) data-tokens=(t.tokens)
                data-cost=(t.cost) data-first=(t.first_token) data-took=(t.took)
                data-receipt=(t.receipt) data-hidden=(t.hidden) data-queue=(t.queue)
                data-speed=(t.speed) data-rate=(t.tokens_a_second)
                data-kinds=(kinds(look.language)) data-look="/account/playground/hidden" {
                section aria-label=(t.conversation) {
                    div #turns .turns aria-live="polite" {}
                    p.empty { (t.talk_intro) }
                    form #composer .composer {
                        label for="message" { (t.message) }
                        textarea #message rows="3" aria-describedby="talk-hint" {}
                        div.actions {
                            button #anew .second type="button" { (t.anew) }
                            button #send type="submit" { (t.send) }
                        }
                        p.soft #talk-hint { (t.talk_hint) }
                    }
                    details #as-code {
                        summary { (t.code) }
                        (code(t, common))
                    }
                }
                (settings(&gateway, t, &who))
            }
        },
    )
}

/// What kinds of personal data are called, for the script.
fn kinds(language: Language) -> String {
    let named = |kind: Kind| (kind.as_str().to_owned(), names::kind(language, kind).into());
    Value::Object(Kind::ALL.into_iter().map(named).collect()).to_string()
}

/// The last request as code, once there is one.
fn code(t: &Account, common: &Common) -> Markup {
    html! {
        div.tabs {
            @for (place, name) in ["curl", "Python", "Node"].into_iter().enumerate() {
                input type="radio" name="code" id=(format!("tab-{name}")) checked[place == 0];
                label for=(format!("tab-{name}")) { (name) }
            }
            @for name in ["curl", "Python", "Node"] {
                div.panel {
                    pre id=(format!("code-{name}")) tabindex="0" { (t.code_empty) }
                    button.copy.second.small type="button" data-copy=(format!("code-{name}"))
                        data-done=(common.copied) { (common.copy) }
                }
            }
        }
    }
}

fn settings(gateway: &Gateway, t: &Account, who: &Customer) -> Markup {
    let allowed = who.key.limits.models.as_deref();
    let models = gateway.config.models.iter().filter(|model| {
        model.can(Capability::Chat) && may_use(allowed, model) && gateway.fleet.offers(&model.name)
    });
    html! {
        section.card.settings aria-label=(t.settings) {
            div.field {
                label for="model" { (t.model) }
                select #model {
                    option value="auto" { (t.auto) }
                    @for model in models { option value=(model.name) { (model.name) } }
                }
            }
            details {
                summary { (t.settings) }
                div.field {
                    label for="system" { (t.system) }
                    textarea #system rows="3" {}
                }
                div.field {
                    label for="temperature" { (t.temperature) }
                    input #temperature type="number" min="0" max="2" step="0.1"
                        inputmode="decimal";
                }
                div.field {
                    label for="max_tokens" { (t.max_tokens) }
                    input #max_tokens type="number" min="1" inputmode="numeric";
                }
            }
        }
    }
}

/// Answers as `POST /v1/chat/completions` does.
pub(super) async fn chat(
    state: State<Arc<Gateway>>,
    request: Extension<RequestId>,
    path: MatchedPath,
    called: Called<Customer>,
) -> Response {
    let Called { who, parts, body } = called;
    let mut headers = who.headers(&parts.headers);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    surface::create::<ChatCompletion>(state, request, path, headers, body).await
}
