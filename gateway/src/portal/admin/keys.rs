//! Keys of an account, as the operator sees them; a further one, such as for a buyer who never saw
//! the first; and the question before one ends.

use super::super::account::keys::{limits, name, sent_before, told_once};
use super::super::again::{Again, read};
use super::super::asked::{Path, Query};
use super::super::guard::{Operator, Sent, once};
use super::super::landing::told;
use super::super::look::Look;
use super::super::texts::{Account, Admin};
use super::accounts::{PLACE, shown, unknown};
use super::{audit, away, room, token, with_status};
use crate::api::keys as issuing;
use crate::state::Gateway;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use schemas::ids::{AccountId, KeyId};
use schemas::records::KeyRecordV1;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

/// The form of a further key.
const MAKING: &str = "key";

/// The live keys of an account, and a form for a further one.
pub(super) fn of_account(
    gateway: &Gateway,
    (look, again): (&Look, &Again),
    who: &Operator,
    account: &AccountId,
) -> Markup {
    let t = Admin::of(look.language);
    let words = Account::of(look.language);
    let live = gateway.keys.live_of(account);
    html! {
        div.scroll { table {
            thead { tr {
                th scope="col" { (t.name) }
                th scope="col" { (words.key) }
                th scope="col" { (words.limits) }
                td aria-hidden="true" {}
            } }
            tbody { @for key in &live { tr {
                th scope="row" { (name(&key.name)) }
                td { code { (key.key) } }
                td { (limits(words, key)) }
                td.number {
                    @let ask = format!("{PLACE}/{account}/revoke?key={}", key.key);
                    a.button.second.small href=(ask) { (t.revoke) }
                }
            } } }
        } }
        (again.told(look, MAKING))
        form.card.line method="post" action=(format!("{PLACE}/{account}/keys")) {
            (token(who))
            (once())
            div.field {
                label for="name" { (t.name) }
                input #name name="name" required maxlength="200"
                    value=[again.typed(MAKING, "name")];
            }
            button type="submit" { (words.make_key) }
        }
    }
}

/// Makes a further key of an account.
pub(super) async fn make(
    State(gateway): State<Arc<Gateway>>,
    Path(account): Path<String>,
    look: Look,
    sent: Sent<Operator>,
) -> Response {
    let Ok(account) = AccountId::parse(account) else { return unknown(&look, &sent.who) };
    let record = match gateway.bus.account(&account).await {
        Ok(Some(record)) => record,
        Ok(None) => return unknown(&look, &sent.who),
        Err(error) => return away(&look, &error),
    };
    let of = (&account, record.name.as_str());
    if !sent.is_first(&gateway).await {
        let before = (sent_before(&look), &Again::default());
        let page = shown(&gateway, &look, &sent.who, of, before).await;
        return with_status(StatusCode::CONFLICT, page);
    }
    let name = sent.fields.text("name");
    audit(&gateway, format!("create key {name:?} of {account}")).await;
    let made = match read(&json!({"name": name, "account": account})) {
        Ok(wanted) => issuing::make(&gateway, wanted).await,
        Err(problem) => Err(problem),
    };
    match made {
        Ok(secret) => {
            let told = told_once(&look, Admin::of(look.language).made, secret.reveal());
            shown(&gateway, &look, &sent.who, of, (told, &Again::default())).await
        }
        Err(problem) => {
            sent.undo(&gateway).await;
            let again = Again::because(MAKING, sent.fields, problem);
            shown(&gateway, &look, &sent.who, of, (html! {}, &again)).await
        }
    }
}

/// The key that is to end.
#[derive(Deserialize)]
pub(super) struct Ending {
    key: String,
}

/// Asks before a key ends.
pub(super) async fn ask_revoke(
    State(gateway): State<Arc<Gateway>>,
    Path(account): Path<String>,
    Query(ending): Query<Ending>,
    look: Look,
    who: Operator,
) -> Response {
    let t = Admin::of(look.language);
    let live = gateway.keys.live();
    let is_meant =
        |key: &&Arc<KeyRecordV1>| key.key.as_str() == ending.key && key.account.as_str() == account;
    let Some(key) = live.iter().find(is_meant) else {
        let page = room(&look, &who, (PLACE, t.revoke_ask), html! { p.empty { (t.no_key) } });
        return with_status(StatusCode::NOT_FOUND, page);
    };
    let place = format!("{PLACE}/{account}");
    room(
        &look,
        &who,
        (PLACE, t.revoke_ask),
        html! {
            p { strong { (key.name) } " " code { (key.key) } }
            p { (t.revoke_told) }
            form.actions method="post" action=(format!("{place}/revoke")) {
                (token(&who))
                input type="hidden" name="key" value=(key.key);
                button.danger type="submit" { (t.revoke) }
                a.button.second href=(place) { (t.back) }
            }
        },
    )
}

/// Ends a key.
pub(super) async fn revoke(
    State(gateway): State<Arc<Gateway>>,
    Path(account): Path<String>,
    look: Look,
    Sent { fields, .. }: Sent<Operator>,
) -> Response {
    let Ok(key) = KeyId::parse(fields.text("key")) else { return look.unread() };
    audit(&gateway, format!("revoke {key}")).await;
    match issuing::end(&gateway, &key).await {
        Ok(()) => Redirect::to(&format!("{PLACE}/{account}?told=revoked")).into_response(),
        Err(problem) => told(&look, &problem),
    }
}
