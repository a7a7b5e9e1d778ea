//! Keys of the account: listed with what they spent, made with limits, rotated and revoked. A
//! secret is shown once. What a key may be, `/api/keys` checks; this page only asks.

use super::super::again::{Again, read};
use super::super::asked::Path;
use super::super::guard::{Customer, Fields, Sent, once};
use super::super::look::{Look, dollars, moment};
use super::super::texts::{Account, Common};
use super::{away, missing, room};
use crate::api::keys as issuing;
use crate::state::Gateway;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use infra::clock;
use infra::config::SemanticCache;
use maud::{Markup, html};
use schemas::error::Problem;
use schemas::ids::KeyId;
use schemas::money::MicroUsd;
use schemas::records::KeyRecordV1;
use serde_json::{Value, json};
use std::sync::Arc;

const PLACE: &str = "/account/keys";

/// The form of a new key.
const MAKING: &str = "key";

/// All live keys of the account, and a form for a new one.
pub(super) async fn list(
    State(gateway): State<Arc<Gateway>>,
    look: Look,
    who: Customer,
) -> Response {
    shown(&gateway, &look, &who, (html! {}, &Again::default())).await
}

async fn shown(
    gateway: &Gateway,
    look: &Look,
    who: &Customer,
    (before, again): (Markup, &Again),
) -> Response {
    let t = Account::of(look.language);
    let keys = gateway.keys.live_of(&who.key.account);
    let asked = keys.iter().map(|key| (&key.account, &key.key));
    let rows = match gateway.store.keys_spending(asked, clock::unix_ms()).await {
        Ok(spent) => keys.iter().zip(spent),
        Err(error) => return away(look, &error),
    };
    let page = room(
        look,
        who,
        (PLACE, t.keys),
        html! {
            (before)
            div.scroll tabindex="0" role="region" aria-label=(t.keys) {
                table {
                    thead { tr {
                        th scope="col" { (t.name) }
                        th scope="col" { (t.key) }
                        th scope="col" { (t.limits) }
                        th.number scope="col" { (t.spent) }
                        th scope="col" { (t.created) }
                        @if who.may_manage() { td aria-hidden="true" {} }
                    } }
                    tbody { @for (key, spent) in rows {
                        (row(gateway, t, who, (key, spent.total)))
                    } }
                }
            }
            @if who.may_manage() {
                (form(gateway, (look, again), who))
            } @else {
                p.note { (t.may_not) }
            }
        },
    );
    again.answer(page)
}

fn row(
    gateway: &Gateway,
    t: &Account,
    who: &Customer,
    (key, spent): (&KeyRecordV1, MicroUsd),
) -> Markup {
    html! {
        tr.keyrow {
            th scope="row" {
                (name(&key.name))
                @if key.key == who.key.key { " " span.badge.good { (t.this_key) } }
                @if key.similar_answers { " " span.badge { (t.similar) } }
            }
            td.tight { code { "sk-fly-…" (key.last_four) } }
            td { (limits(t, key)) }
            td.number { (dollars(spent)) }
            td.tight { (moment(key.created_ms)) }
            @if who.may_manage() {
                td.tight {
                    @let place = format!("{PLACE}/{}", key.key);
                    a.button.second.small href=(format!("{place}/rotate")) { (t.rotate) }
                    " "
                    a.button.second.small href=(format!("{place}/revoke")) { (t.revoke) }
                    @if gateway.config.cache.semantic == SemanticCache::Keys {
                        " " (switch(t, who, key))
                    }
                }
            }
        }
    }
}

/// A name in a table, which stays in its place however long it is.
pub(crate) fn name(name: &str) -> Markup {
    html! { span.name title=(name) { (name) } }
}

/// Turns answers to other wordings on or off for a key, where the operator lets keys choose.
fn switch(t: &Account, who: &Customer, key: &KeyRecordV1) -> Markup {
    let (wanted, label) = match key.similar_answers {
        true => ("off", t.similar_off),
        false => ("on", t.similar_on),
    };
    html! {
        form method="post" action=(format!("{PLACE}/{}/similar", key.key)) {
            input type="hidden" name="token" value=(super::token(who));
            input type="hidden" name="wanted" value=(wanted);
            button.second.small type="submit" title=(t.similar_told) { (label) }
        }
    }
}

/// What a key may not.
pub(crate) fn limits(t: &Account, key: &KeyRecordV1) -> Markup {
    let numbers = [
        (t.rpm, key.limits.requests_per_minute_max),
        (t.tpm, key.limits.tokens_per_minute_max),
        (t.parallel, key.limits.parallel_max),
    ];
    let periods = [
        (t.per_day, key.limits.budgets.day_max),
        (t.per_week, key.limits.budgets.week_max),
        (t.per_month, key.limits.budgets.month_max),
    ];
    html! {
        @if key.limits.is_empty() { span.soft { (t.none) } }
        @if let Some(budget) = key.limits.budget_max { span.badge { (dollars(budget)) } " " }
        @for (name, budget) in periods {
            @if let Some(budget) = budget { span.badge { (dollars(budget)) (name) } " " }
        }
        @if let Some(end) = key.limits.expires_ms { span.badge { "→ " (moment(end)) } " " }
        @for (name, limit) in numbers {
            @if let Some(limit) = limit { span.badge { (name) " " (limit) } " " }
        }
        @for model in key.limits.models.iter().flatten() { span.badge { (model) } " " }
    }
}

fn form(gateway: &Gateway, (look, again): (&Look, &Again), who: &Customer) -> Markup {
    let t = Account::of(look.language);
    let typed = |name: &str| again.typed(MAKING, name);
    let number = |name: &str, label: &str| {
        html! {
            div.field {
                label for=(name) { (label) }
                input id=(name) name=(name) type="number" min="1" inputmode="numeric"
                    value=[typed(name)];
            }
        }
    };
    html! {
        h2 #new { (t.new_key) }
        (again.told(look, MAKING))
        form.card method="post" action=(PLACE) {
            input type="hidden" name="token" value=(super::token(who));
            (once())
            div.fields {
                div.field {
                    label for="name" { (t.name) }
                    input #name name="name" required maxlength="200" aria-describedby="name-hint"
                        value=[typed("name")];
                    small #name-hint { (t.name_hint) }
                }
                div.field {
                    label for="budget" { (t.budget) }
                    input #budget name="budget" type="number" min="0.01" step="any"
                        inputmode="decimal" aria-describedby="budget-hint" value=[typed("budget")];
                    small #budget-hint { (t.budget_hint) }
                }
                div.field {
                    label for="ends" { (t.ends) }
                    input #ends name="ends" type="date" aria-describedby="ends-hint"
                        value=[typed("ends")];
                    small #ends-hint { (t.ends_hint) }
                }
                (number("requests_per_minute", t.rpm))
                (number("tokens_per_minute", t.tpm))
                (number("parallel", t.parallel))
            }
            div.field {
                label for="models" { (t.models) }
                select #models name="models" multiple size="4" aria-describedby="models-hint" {
                    @for model in gateway.config.models.iter() {
                        @let is_chosen = again.chose(MAKING, "models", &model.name);
                        option value=(model.name) selected[is_chosen] { (model.name) }
                    }
                }
                small #models-hint { (t.models_hint) }
            }
            button type="submit" { (t.make_key) }
        }
    }
}

/// Makes one, and shows its secret.
pub(super) async fn make(
    State(gateway): State<Arc<Gateway>>,
    look: Look,
    sent: Sent<Customer>,
) -> Response {
    let t = Account::of(look.language);
    if !sent.who.may_manage() {
        return refused(&look, &sent.who);
    }
    if !sent.is_first(&gateway).await {
        return done_before(&gateway, &look, &sent.who).await;
    }
    let made = match read(&wanted(&sent.who, &sent.fields)) {
        Ok(wanted) => match counted(&gateway, &sent.who).await {
            Ok(()) => issuing::make_own(&gateway, &sent.who.key.account, wanted).await,
            Err(problem) => Err(problem),
        },
        Err(problem) => Err(problem),
    };
    match made {
        Ok(secret) => {
            let told = told_once(&look, t.made, secret.reveal());
            shown(&gateway, &look, &sent.who, (told, &Again::default())).await
        }
        Err(problem) => {
            sent.undo(&gateway).await;
            let again = Again::because(MAKING, sent.fields, problem);
            shown(&gateway, &look, &sent.who, (html! {}, &again)).await
        }
    }
}

/// Each new secret is one of its maker's requests of the minute: what was made once is remembered
/// by every gateway, also when it is revoked.
async fn counted(gateway: &Arc<Gateway>, who: &Customer) -> Result<(), Problem> {
    gateway.count_request(&who.key).await.map_err(|refused| refused.problem)
}

/// A form that made a secret was sent a second time.
async fn done_before(gateway: &Gateway, look: &Look, who: &Customer) -> Response {
    let told = sent_before(look);
    let mut page = shown(gateway, look, who, (told, &Again::default())).await;
    *page.status_mut() = StatusCode::CONFLICT;
    page
}

/// What is said when a form that made a secret is sent a second time.
pub(crate) fn sent_before(look: &Look) -> Markup {
    let (t, common) = (Account::of(look.language), Common::of(look.language));
    html! { p.warning role="alert" { (common.sent_before) " " (t.key_before) } }
}

/// The form as a body of `POST /api/keys`; the account is always the session's own.
fn wanted(who: &Customer, fields: &Fields) -> Value {
    // What is no number stays a text, so that the API's own check names the field.
    let number = |name: &str| {
        fields.given(name).map(|text| {
            serde_json::from_str::<serde_json::Number>(text)
                .map_or_else(|_| text.into(), Value::Number)
        })
    };
    json!({
        "account": who.key.account,
        "name": fields.text("name"),
        "max_budget": number("budget"),
        "expires_at": fields.given("ends").map(|day| format!("{day}T00:00:00+09:00")),
        "requests_per_minute": number("requests_per_minute"),
        "tokens_per_minute": number("tokens_per_minute"),
        "parallel": number("parallel"),
        "models": fields.all("models"),
    })
}

/// A secret, shown now and never again.
pub(crate) fn told_once(look: &Look, title: &str, secret: &str) -> Markup {
    let (t, common) = (Account::of(look.language), Common::of(look.language));
    html! {
        div.note role="status" {
            h2 { (title) }
            p { (t.shown_once) }
            code.secret #secret { (secret) }
            button.second.small.needs-script type="button" data-copy="secret"
                data-done=(common.copied) { (common.copy) }
        }
    }
}

fn refused(look: &Look, who: &Customer) -> Response {
    let t = Account::of(look.language);
    let mut page = room(look, who, (PLACE, t.keys), html! { p.warning { (t.may_not) } });
    *page.status_mut() = StatusCode::FORBIDDEN;
    page
}

/// The live key of that name, if it is one of the account's.
fn own(gateway: &Gateway, who: &Customer, name: &str) -> Option<Arc<KeyRecordV1>> {
    let key = KeyId::parse(name).ok().and_then(|key| gateway.keys.get(&key))?;
    (key.account == who.key.account && key.revoked_ms.is_none()).then_some(key)
}

/// Asks before a key is rotated.
pub(super) async fn ask_rotate(
    State(gateway): State<Arc<Gateway>>,
    Path(key): Path<String>,
    look: Look,
    who: Customer,
) -> Response {
    let t = Account::of(look.language);
    ask(&gateway, &look, &who, (&key, "rotate"), [t.rotate_ask, t.rotate_told, t.rotate])
}

/// Asks before a key is revoked.
pub(super) async fn ask_revoke(
    State(gateway): State<Arc<Gateway>>,
    Path(key): Path<String>,
    look: Look,
    who: Customer,
) -> Response {
    let t = Account::of(look.language);
    ask(&gateway, &look, &who, (&key, "revoke"), [t.revoke_ask, t.revoke_told, t.revoke])
}

fn ask(
    gateway: &Gateway,
    look: &Look,
    who: &Customer,
    (key, what): (&str, &str),
    [title, told, does]: [&str; 3],
) -> Response {
    let t = Account::of(look.language);
    let Some(key) = own(gateway, who, key) else {
        return missing(look, who, (PLACE, t.keys), t.no_key);
    };
    room(
        look,
        who,
        (PLACE, title),
        html! {
            p { strong { (key.name) } " " code { "sk-fly-…" (key.last_four) } }
            p { (told) }
            form.actions method="post" action=(format!("{PLACE}/{}/{what}", key.key)) {
                input type="hidden" name="token" value=(super::token(who));
                (once())
                button.danger type="submit" { (does) }
                a.button.second href=(PLACE) { (t.back) }
            }
        },
    )
}

/// Gives a key a new secret, and shows it.
pub(super) async fn rotate(
    State(gateway): State<Arc<Gateway>>,
    Path(key): Path<String>,
    look: Look,
    sent: Sent<Customer>,
) -> Response {
    let (t, who) = (Account::of(look.language), &sent.who);
    if !who.may_manage() {
        return refused(&look, who);
    }
    let Some(key) = own(&gateway, who, &key) else {
        return missing(&look, who, (PLACE, t.keys), t.no_key);
    };
    if !sent.is_first(&gateway).await {
        return done_before(&gateway, &look, who).await;
    }
    let given = match counted(&gateway, who).await {
        Ok(()) => issuing::give_new_secret(&gateway, &key.key).await,
        Err(problem) => Err(problem),
    };
    match given {
        Ok(secret) => {
            let told = told_once(&look, t.rotated, secret.reveal());
            shown(&gateway, &look, who, (told, &Again::default())).await
        }
        Err(problem) => {
            sent.undo(&gateway).await;
            super::super::landing::told(&look, &problem)
        }
    }
}

/// Turns answers to other wordings on or off; where the operator keeps them off a key has no say.
pub(super) async fn reword(
    State(gateway): State<Arc<Gateway>>,
    Path(key): Path<String>,
    look: Look,
    Sent { who, fields }: Sent<Customer>,
) -> Response {
    let t = Account::of(look.language);
    if !who.may_manage() || gateway.config.cache.semantic != SemanticCache::Keys {
        return refused(&look, &who);
    }
    let Some(key) = own(&gateway, &who, &key) else {
        return missing(&look, &who, (PLACE, t.keys), t.no_key);
    };
    match issuing::let_reword(&gateway, &key.key, fields.text("wanted") == "on").await {
        Ok(()) => Redirect::to(PLACE).into_response(),
        Err(problem) => super::super::landing::told(&look, &problem),
    }
}

/// Ends a key.
pub(super) async fn revoke(
    State(gateway): State<Arc<Gateway>>,
    Path(key): Path<String>,
    look: Look,
    Sent { who, .. }: Sent<Customer>,
) -> Response {
    let t = Account::of(look.language);
    if !who.may_manage() {
        return refused(&look, &who);
    }
    let Some(key) = own(&gateway, &who, &key) else {
        return missing(&look, &who, (PLACE, t.keys), t.no_key);
    };
    match issuing::end(&gateway, &key.key).await {
        Ok(()) => Redirect::to(PLACE).into_response(),
        Err(problem) => super::super::landing::told(&look, &problem),
    }
}
