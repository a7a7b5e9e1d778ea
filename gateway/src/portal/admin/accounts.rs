//! Accounts: all of them with their balances; one with its keys, credit, lots and ledger, and
//! whether the two agree.

use super::super::account::{credit, keys};
use super::super::again::{Again, read};
use super::super::asked::{Path, Query};
use super::super::guard::{Operator, Sent, once};
use super::super::language::Language;
use super::super::look::{Look, dollars, grouped, moment};
use super::super::texts::{Account, Admin};
use super::{audit, away, room, token, with_status};
use crate::api::keys as issuing;
use crate::auth::issue;
use crate::state::Gateway;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use infra::bus::ledger::{Entry, Recorded};
use infra::clock;
use infra::store::balances::Balance;
use infra::store::spending::Spending;
use maud::{Markup, html};
use schemas::error::{ErrorCode, Problem};
use schemas::ids::{AccountId, RequestId};
use schemas::ledger::{DisputeStanding, Fact, is_grantable};
use schemas::money::MicroUsd;
use schemas::snapshots::Closing;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Accounts on a page.
const SHOWN_MAX: usize = 200;

/// The form of a new account.
const MAKING: &str = "account";

/// The form of a grant.
const GRANTING: &str = "grant";

/// Ledger events on a page.
const EVENTS_SHOWN_MAX: usize = 200;

pub(super) const PLACE: &str = "/admin/accounts";

#[derive(Deserialize)]
pub(super) struct Wanted {
    q: Option<String>,
    told: Option<String>,
}

/// One account in the list.
struct Row {
    account: AccountId,
    name: String,
    keys: usize,
    balance: Balance,
    spent: Spending,
}

/// All accounts.
pub(super) async fn list(
    State(gateway): State<Arc<Gateway>>,
    Query(wanted): Query<Wanted>,
    look: Look,
    who: Operator,
) -> Response {
    let nothing = (html! {}, &Again::default());
    listed(&gateway, &look, &who, (wanted.q.as_deref().unwrap_or(""), nothing)).await
}

async fn listed(
    gateway: &Gateway,
    look: &Look,
    who: &Operator,
    (wanted, (before, again)): (&str, (Markup, &Again)),
) -> Response {
    let t = Admin::of(look.language);
    let rows = match rows(gateway, wanted.trim()).await {
        Ok(rows) => rows,
        Err(error) => return away(look, error.as_ref()),
    };
    let sum = |of: &dyn Fn(&Balance) -> i64| MicroUsd(rows.iter().map(|r| of(&r.balance)).sum());
    let outstanding = if wanted.trim().is_empty() { t.outstanding } else { t.outstanding_found };
    let spent = MicroUsd(rows.iter().map(|row| row.spent.total.0).sum());
    let page = room(
        look,
        who,
        (PLACE, t.accounts),
        html! {
            (before)
            form.line method="get" action=(PLACE) role="search" {
                div.field {
                    label for="q" { (t.search) }
                    input #q name="q" value=(wanted);
                }
                button.second type="submit" { (t.find) }
            }
            br;
            dl.figures {
                div.figure { dt { (t.accounts) } dd { (grouped(rows.len() as u64)) } }
                div.figure { dt { (outstanding) } dd { (dollars(sum(&|b| b.balance.0))) } }
                div.figure { dt { (t.held) } dd { (dollars(sum(&|b| b.held.0))) } }
                div.figure { dt { (t.spent) } dd { (dollars(spent)) } }
            }
            @if !rows.is_empty() { (table(t, &rows)) } @else if wanted.trim().is_empty() {
                p.empty { (t.no_accounts) }
            } @else {
                p.empty { (t.none_found) }
            }
            h2 { (t.new_account) }
            (again.told(look, MAKING))
            form.card.line method="post" action=(PLACE) {
                (token(who))
                (once())
                div.field {
                    label for="name" { (t.name) }
                    input #name name="name" required maxlength="200"
                        value=[again.typed(MAKING, "name")];
                }
                button type="submit" { (t.make) }
            }
        },
    );
    again.answer(page)
}

fn table(t: &Admin, rows: &[Row]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label=(t.accounts) { table {
            thead { tr {
                th scope="col" { (t.name) }
                th scope="col" { (t.account) }
                th.number scope="col" { (t.keys) }
                th.number scope="col" { (t.balance) }
                th.number scope="col" { (t.held) }
                th.number scope="col" { (t.spent) }
                th.number scope="col" { (t.spent_month) }
            } }
            tbody { @for row in rows.iter().take(SHOWN_MAX) { tr {
                th scope="row" { (keys::name(&row.name)) }
                td { a href=(format!("{PLACE}/{}", row.account)) { code { (row.account) } } }
                td.number { (row.keys) }
                td.number { (dollars(row.balance.balance)) }
                td.number { (dollars(row.balance.held)) }
                td.number { (dollars(row.spent.total)) }
                td.number { (dollars(row.spent.periods[2])) }
            } } }
        } }
    }
}

/// Accounts that have a live key or a balance, by what is looked for; at most one page of names is
/// read.
async fn rows(
    gateway: &Gateway,
    wanted: &str,
) -> Result<Vec<Row>, Box<dyn std::error::Error + Send + Sync>> {
    let mut known: BTreeMap<AccountId, (usize, Balance)> = BTreeMap::new();
    for (account, balance) in gateway.store.all_balances().await? {
        if let Ok(account) = AccountId::parse(account) {
            known.insert(account, (0, balance));
        }
    }
    let mut key_names: BTreeMap<AccountId, String> = BTreeMap::new();
    for key in gateway.keys.live() {
        known.entry(key.account.clone()).or_default().0 += 1;
        key_names.entry(key.account.clone()).or_default().push_str(&key.name);
    }
    let mut rows = Vec::new();
    for (account, (keys, balance)) in known {
        let looked_at = rows.len() < SHOWN_MAX || !wanted.is_empty();
        let record = if looked_at { gateway.bus.account(&account).await? } else { None };
        let name = record.map(|record| record.name).unwrap_or_default();
        let own_keys = key_names.get(&account).map_or("", String::as_str);
        let is_wanted = [account.as_str(), &name, own_keys].iter().any(|t| t.contains(wanted));
        if is_wanted {
            let spent = gateway.store.account_spending(&account, clock::unix_ms()).await?;
            rows.push(Row { account, name, keys, balance, spent });
        }
    }
    Ok(rows)
}

/// Makes an account with its first key.
pub(super) async fn make(
    State(gateway): State<Arc<Gateway>>,
    look: Look,
    sent: Sent<Operator>,
) -> Response {
    let t = Admin::of(look.language);
    if !sent.is_first(&gateway).await {
        let before = (keys::sent_before(&look), &Again::default());
        let page = listed(&gateway, &look, &sent.who, ("", before)).await;
        return with_status(StatusCode::CONFLICT, page);
    }
    let name = sent.fields.text("name");
    audit(&gateway, format!("create account {name:?}")).await;
    let made = match read(&json!({"name": name})) {
        Ok(wanted) => issuing::make(&gateway, wanted).await,
        Err(problem) => Err(problem),
    };
    match made {
        Ok(secret) => {
            let shown = keys::told_once(&look, t.made, secret.reveal());
            listed(&gateway, &look, &sent.who, ("", (shown, &Again::default()))).await
        }
        Err(problem) => {
            sent.undo(&gateway).await;
            let again = Again::because(MAKING, sent.fields, problem);
            listed(&gateway, &look, &sent.who, ("", (html! {}, &again))).await
        }
    }
}

/// One account.
pub(super) async fn show(
    State(gateway): State<Arc<Gateway>>,
    Path(account): Path<String>,
    Query(wanted): Query<Wanted>,
    look: Look,
    who: Operator,
) -> Response {
    let t = Admin::of(look.language);
    let before = match wanted.told.as_deref() {
        Some("granted") => html! { p.note role="status" { (t.granted) } },
        Some("granted_before") => html! { p.warning role="alert" { (t.granted_before) } },
        Some("revoked") => html! { p.note role="status" { (t.revoked) } },
        _ => html! {},
    };
    let Ok(account) = AccountId::parse(account) else { return unknown(&look, &who) };
    match gateway.bus.account(&account).await {
        Ok(Some(record)) => {
            let with = (before, &Again::default());
            shown(&gateway, &look, &who, (&account, &record.name), with).await
        }
        Ok(None) => unknown(&look, &who),
        Err(error) => away(&look, &error),
    }
}

/// There is no such account.
pub(super) fn unknown(look: &Look, who: &Operator) -> Response {
    let t = Admin::of(look.language);
    let page = room(look, who, (PLACE, t.account), html! { p.empty { (t.unknown) } });
    with_status(StatusCode::NOT_FOUND, page)
}

/// One account, below what has just been done, or with one of its forms again.
pub(super) async fn shown(
    gateway: &Gateway,
    look: &Look,
    who: &Operator,
    (account, name): (&AccountId, &str),
    (before, again): (Markup, &Again),
) -> Response {
    let t = Admin::of(look.language);
    let balance = match gateway.store.balance(account).await {
        Ok(balance) => balance,
        Err(error) => return away(look, &error),
    };
    let history = match gateway.bus.account_history(account).await {
        Ok(history) => history,
        Err(error) => return away(look, &error),
    };
    let sum = history.tally().balance();
    let page = room(
        look,
        who,
        (PLACE, name),
        html! {
            (before)
            p.soft { code { (account) } }
            dl.figures {
                div.figure { dt { (t.balance) } dd { (dollars(balance.balance)) } }
                div.figure { dt { (t.held) } dd { (dollars(balance.held)) } }
                div.figure {
                    dt { (t.ledger_sum) }
                    dd { (dollars(sum)) }
                    dd { small { @if sum == balance.balance { (t.agrees) } @else { (t.differs) } } }
                }
            }
            h2 { (t.grant) }
            (again.told(look, GRANTING))
            form.card.line method="post" action=(format!("{PLACE}/{account}/grant")) {
                (token(who))
                // What names the grant: sending the form twice gives once.
                input type="hidden" name="unique" value=(fresh_name());
                div.field {
                    label for="amount" { (t.amount) }
                    input #amount name="amount" inputmode="decimal" required
                        value=[again.typed(GRANTING, "amount")];
                }
                div.field {
                    label for="note" { (t.note) }
                    input #note name="note" maxlength="200" value=[again.typed(GRANTING, "note")];
                }
                button type="submit" { (t.grant) }
            }
            h2 { (t.keys) }
            (super::keys::of_account(gateway, (look, again), who, account))
            h2 { (Account::of(look.language).lots) }
            (credit::lots(Account::of(look.language), &history.lots()))
            h2 { (t.ledger) }
            (ledger(t, &history.entries))
        },
    );
    again.answer(page)
}

fn fresh_name() -> String {
    RequestId::fresh().as_str().replace("req_", "page-")
}

fn ledger(t: &Admin, entries: &[Entry]) -> Markup {
    html! {
        p.soft { (grouped(entries.len() as u64)) " " (t.events) }
        div.scroll tabindex="0" role="region" aria-label=(t.ledger) { table {
            thead { tr {
                th.number scope="col" { (t.sequence) }
                th scope="col" { (t.when) }
                th scope="col" { (t.kind) }
                th scope="col" { (t.what) }
                th.number scope="col" { (t.amount) }
            } }
            tbody { @for entry in entries.iter().rev().take(EVENTS_SHOWN_MAX) {
                @if let Some(event) = entry.event.as_ref().or(entry.late.as_deref()) { tr {
                    td.number { (entry.sequence) }
                    td.tight { (moment(event.at_ms)) }
                    td {
                        (kind(t, &event.fact))
                        @if entry.late.is_some() { " " span.badge { (t.late) } }
                    }
                    td { (what(&event.fact)) }
                    td.number { (dollars(event.amount)) }
                } }
            } }
        } }
    }
}

fn kind(t: &Admin, fact: &Fact) -> &'static str {
    match fact {
        Fact::Use(_) => t.kind_use,
        Fact::Void(_) => t.kind_void,
        Fact::Grant { .. } => t.kind_grant,
        Fact::TopUp(_) => t.kind_top_up,
        Fact::Bonus { .. } => t.kind_bonus,
        Fact::Refund { .. } => t.kind_refund,
        Fact::RefundFailed { .. } => t.kind_refund_failed,
        Fact::Dispute { standing: DisputeStanding::Opened, .. } => t.kind_dispute_opened,
        Fact::Dispute { standing: DisputeStanding::Won, .. } => t.kind_dispute_won,
        Fact::Expiry { .. } => t.kind_expiry,
        Fact::Snapshot(_) => t.kind_snapshot,
        Fact::Counted(_) => t.kind_counted,
        Fact::Cut(_) => t.kind_cut,
        Fact::Closing(_) => t.kind_closing,
    }
}

fn what(fact: &Fact) -> Markup {
    match fact {
        Fact::Use(used) => html! { code { (used.model) } " " code { (used.request) } },
        Fact::Void(void) => html! { code { (void.request) } },
        Fact::Grant { note, .. } => html! { (note) },
        Fact::TopUp(bought) => html! { (bought.paid) " " code { (bought.payment) } },
        Fact::Bonus { payment, .. } => html! { code { (payment) } },
        Fact::RefundFailed { refund, payment } => {
            html! { code { (refund) } " " code { (payment) } }
        }
        // Stripe's own name comes first: by it the operator finds it there.
        Fact::Refund { refund: name, payment, money, .. }
        | Fact::Dispute { dispute: name, payment, money, .. } => {
            html! { (money) " " code { (name) } " " code { (payment) } }
        }
        Fact::Expiry { source, .. } => html! { code { (source) } },
        Fact::Snapshot(snapshot) => {
            html! { (snapshot.month) " " (dollars(snapshot.balance)) }
        }
        Fact::Counted(counted) => html! { (counted.month) },
        Fact::Cut(cut) | Fact::Closing(Closing { cut, .. }) => html! { (cut.month) },
    }
}

fn wrong_amount() -> Problem {
    let [japanese, english] =
        [Language::Japanese, Language::English].map(|language| Admin::of(language).wrong_amount);
    Problem::new(ErrorCode::InvalidRequest, japanese, english)
}

/// Gives credit.
pub(super) async fn grant(
    State(gateway): State<Arc<Gateway>>,
    Path(account): Path<String>,
    look: Look,
    Sent { who, fields }: Sent<Operator>,
) -> Response {
    let back = |told: &str| Redirect::to(&format!("{PLACE}/{account}?told={told}")).into_response();
    let Ok(parsed) = AccountId::parse(account.clone()) else { return unknown(&look, &who) };
    let name = match gateway.bus.account(&parsed).await {
        Ok(Some(record)) => record.name,
        Ok(None) => return unknown(&look, &who),
        Err(error) => return away(&look, &error),
    };
    let amount = MicroUsd::from_decimal(fields.text("amount")).ok();
    let Some(amount) = amount.filter(|amount| is_grantable(*amount)) else {
        let again = Again::because(GRANTING, fields, wrong_amount());
        return shown(&gateway, &look, &who, (&parsed, &name), (html! {}, &again)).await;
    };
    let unique = fields.text("unique");
    // It becomes a part of a subject.
    let is_name = !unique.is_empty() && RequestId::parse(unique).is_ok();
    let unique = if is_name { unique.to_owned() } else { RequestId::fresh().to_string() };
    let note = fields.text("note");
    audit(&gateway, format!("grant {} to {parsed}: {note:?}", dollars(amount))).await;
    match issue::grant(&gateway.bus, &parsed, amount, &unique, note).await {
        Ok(Recorded::Written(_)) => back("granted"),
        Ok(Recorded::Before(before)) => {
            let what =
                format!("nothing: {parsed} had this grant before, {}", dollars(before.amount));
            audit(&gateway, what).await;
            // A second click is told what the first one was.
            back(if before.amount == amount { "granted" } else { "granted_before" })
        }
        Err(error) => away(&look, &error),
    }
}
