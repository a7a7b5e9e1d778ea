//! Every operation of the API: who may call it, what it takes, what it gives. What `/api` gives
//! is always a named type; of the vendors' own forms some are objects that their documents tell.

use crate::api::shapes::{
    Account, AccountList, ApiKey, Checkout, CountedTokens, Credits, DeletedKey, DrainedWorker,
    ForgottenAnswers, Health, List, LotList, OpinionCounts, PlanOffer, Purchase, Readiness,
    Receipt, Recharge, Redemption, RequestList, SeenWorker, UsageReport,
};
use crate::api::{
    accounts, checkout, completions, coupons, embeddings, feedback, keys, recharge, responses,
};
use schemars::generate::SchemaGenerator;
use schemars::{JsonSchema, Schema};
use schemas::anthropic::{MessagesAnswer, MessagesRequest};
use schemas::openai::{Answer, ChatRequest};

/// Makes the schema of a type.
type Of = fn(&mut SchemaGenerator) -> Schema;

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// Who may call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    /// Whoever has an API key.
    Key,
    /// Whoever has the operator's key.
    Operator,
    /// Either of them.
    Either,
    /// Anybody.
    Nobody,
}

impl Who {
    pub(super) fn says(self) -> &'static str {
        match self {
            Self::Key => "Needs an API key.",
            Self::Operator => "Needs the operator's key.",
            Self::Either => "Needs an API key, or the operator's.",
            Self::Nobody => "Needs no key.",
        }
    }
}

/// One method of one path.
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) summary: &'static str,
    pub(super) who: Who,
    pub(super) query: &'static [&'static str],
    pub(super) body: Option<Of>,
    pub(super) answer: Option<Of>,
    /// The media type of the answer.
    pub(super) kind: &'static str,
    pub(super) streams: bool,
}

impl Operation {
    fn new(method: &'static str, path: &'static str, who: Who, summary: &'static str) -> Self {
        let (body, answer, kind) = (None, None, "application/json");
        Self { method, path, summary, who, query: &[], body, answer, kind, streams: false }
    }

    fn takes<T: JsonSchema>(self) -> Self {
        Self { body: Some(of::<T>), ..self }
    }

    fn gives<T: JsonSchema>(self) -> Self {
        Self { answer: Some(of::<T>), ..self }
    }

    fn asks(self, query: &'static [&'static str]) -> Self {
        Self { query, ..self }
    }

    fn streams(self) -> Self {
        Self { streams: true, ..self }
    }

    fn kind(self, kind: &'static str) -> Self {
        Self { kind, ..self }
    }
}

/// All of them.
pub(super) fn operations() -> Vec<Operation> {
    let mut all = models();
    all.extend(responses());
    all.extend(accounts());
    all.extend(credit());
    all.extend(program());
    all
}

fn models() -> Vec<Operation> {
    use Operation as O;
    use Who::{Either, Key};
    vec![
        O::new("post", "/v1/chat/completions", Key, "A chat.")
            .takes::<ChatRequest>()
            .gives::<Answer>()
            .streams(),
        O::new("post", "/v1/completions", Key, "One prompt, one text.")
            .takes::<completions::CompletionRequest>()
            .gives::<completions::Completion>()
            .streams(),
        O::new("post", "/v1/embeddings", Key, "Vectors of texts.")
            .takes::<embeddings::EmbeddingsRequest>()
            .gives::<embeddings::Embeddings>(),
        O::new("post", "/v1/messages", Key, "Anthropic's Messages.")
            .takes::<MessagesRequest>()
            .gives::<MessagesAnswer>()
            .streams(),
        O::new("post", "/v1/messages/count_tokens", Key, "An estimate of tokens.")
            .takes::<MessagesRequest>()
            .gives::<CountedTokens>(),
        O::new("post", "/v1/feedback", Key, "Whether an answer was good.")
            .takes::<feedback::Feedback>(),
        O::new("get", "/v1/models", Either, "Models that are offered now."),
        O::new("get", "/v1/models/{*model}", Either, "One model."),
    ]
}

fn responses() -> Vec<Operation> {
    use Operation as O;
    use Who::Key;
    vec![
        O::new("post", "/v1/responses", Key, "A response, kept for a while.")
            .takes::<responses::ResponsesRequest>()
            .gives::<responses::ResponseObject>()
            .streams(),
        O::new("get", "/v1/responses/{response}", Key, "A kept response, or its events.")
            .asks(&["stream", "starting_after"])
            .gives::<responses::ResponseObject>()
            .streams(),
        O::new("delete", "/v1/responses/{response}", Key, "Forgets a response."),
        O::new("post", "/v1/responses/{response}/cancel", Key, "Cancels one in the background.")
            .gives::<responses::ResponseObject>(),
        O::new("get", "/v1/responses/{response}/input_items", Key, "What was said with it.")
            .asks(&["limit", "order", "after"]),
    ]
}

fn accounts() -> Vec<Operation> {
    use Operation as O;
    use Who::{Either, Operator};
    vec![
        O::new("post", "/api/keys", Operator, "Makes a key.")
            .takes::<keys::WantedKey>()
            .gives::<ApiKey>(),
        O::new("get", "/api/keys", Operator, "All live keys.").gives::<List<ApiKey>>(),
        O::new("patch", "/api/keys/{key}", Operator, "Changes a key.")
            .takes::<keys::Change>()
            .gives::<ApiKey>(),
        O::new("delete", "/api/keys/{key}", Operator, "Deletes a key.").gives::<DeletedKey>(),
        O::new("post", "/api/keys/{key}/rotate", Operator, "A new secret for a key.")
            .gives::<ApiKey>(),
        O::new("get", "/api/accounts/{account}", Operator, "An account's limits.")
            .gives::<Account>(),
        O::new("patch", "/api/accounts/{account}", Operator, "Changes an account.")
            .takes::<accounts::Change>()
            .gives::<Account>(),
        O::new("get", "/api/workers", Operator, "Who serves what now.").gives::<List<SeenWorker>>(),
        O::new("post", "/api/workers/{worker}/drain", Operator, "Lets a worker finish and leave.")
            .gives::<DrainedWorker>(),
        O::new("get", "/api/usage", Either, "What was used.")
            .asks(&["key_id", "account"])
            .gives::<UsageReport>(),
        O::new("get", "/api/usage.csv", Either, "What was used, as a table.")
            .asks(&["key_id", "account"])
            .kind("text/csv"),
        O::new("get", "/api/requests", Either, "The last requests.")
            .asks(&["limit", "key_id", "account"])
            .gives::<RequestList>(),
        O::new("get", "/api/receipts/{request}", Either, "How a request ended.")
            .asks(&["key_id", "account"])
            .gives::<Receipt>(),
        O::new("get", "/api/credits", Either, "What is left.")
            .asks(&["key_id", "account"])
            .gives::<Credits>(),
        O::new("get", "/api/credits/lots", Either, "Credit by its lots, and when each ends.")
            .asks(&["account"])
            .gives::<LotList>(),
        O::new("get", "/api/feedback", Operator, "Opinions on answers, by model and task.")
            .gives::<List<OpinionCounts>>(),
        O::new("get", "/api/feedback.jsonl", Operator, "The last opinions, a row each.")
            .kind("application/jsonl"),
        O::new("post", "/api/route", Either, "What the auto-router would choose, and why.")
            .takes::<ChatRequest>(),
        O::new("delete", "/api/cache", Either, "Forgets a tenant's kept answers.")
            .asks(&["account", "group"])
            .gives::<ForgottenAnswers>(),
    ]
}

fn credit() -> Vec<Operation> {
    use Operation as O;
    use Who::{Either, Key, Nobody};
    let page = "text/html";
    vec![
        O::new("get", "/api/plans", Nobody, "What can be bought.").gives::<List<PlanOffer>>(),
        O::new("post", "/api/checkout", Key, "Begins to buy.")
            .takes::<checkout::WantedPurchase>()
            .gives::<Checkout>(),
        O::new("post", "/api/coupons/redeem", Either, "A code becomes credit.")
            .asks(&["account"])
            .takes::<coupons::WantedCoupon>()
            .gives::<Redemption>(),
        O::new(
            "get",
            "/api/recharge",
            Either,
            "What a saved card is charged for, and how it stands.",
        )
        .asks(&["account"])
        .gives::<Recharge>(),
        O::new("put", "/api/recharge", Either, "Charges the saved card when credit is low.")
            .takes::<recharge::WantedRecharge>()
            .gives::<Recharge>(),
        O::new("delete", "/api/recharge", Either, "Ends it and forgets the card.")
            .asks(&["account"])
            .gives::<Recharge>(),
        O::new("get", "/api/purchases", Either, "What was bought.")
            .asks(&["key_id", "account"])
            .gives::<AccountList<Purchase>>(),
        O::new("get", "/api/purchases/{payment}/receipt", Either, "A receipt to print.")
            .asks(&["key_id", "account"])
            .kind(page),
        O::new("get", "/api/statements/{month}", Either, "A month to print.")
            .asks(&["key_id", "account"])
            .kind(page),
        O::new("get", "/checkout/success", Nobody, "The buyer is back.")
            .asks(&["session_id"])
            .kind(page),
        O::new("post", "/checkout/success", Nobody, "Shows a new account's key, once.")
            .asks(&["session_id"])
            .kind(page),
        O::new("get", "/checkout/cancel", Nobody, "The buyer changed their mind.")
            .asks(&["back"])
            .kind(page),
        O::new("post", "/webhooks/stripe", Nobody, "Stripe tells; its signature is checked."),
    ]
}

fn program() -> Vec<Operation> {
    use Operation as O;
    use Who::Nobody;
    vec![
        O::new("get", "/health", Nobody, "Whether the process is alive.").gives::<Health>(),
        O::new("get", "/ready", Nobody, "Whether it can answer.").gives::<Readiness>(),
        O::new("get", "/openapi.json", Nobody, "This description."),
    ]
}
