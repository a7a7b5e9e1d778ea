//! What equal questions are: a digest over the tenant and everything that changes the answer. The
//! tenant is a required part of the key, so that no answer ever crosses to another one.

/// When another wording is the same question.
pub mod semantic;

/// What a client wants of kept answers.
mod wishes;

pub(crate) use wishes::Wishes;

use infra::config::{Cache, Catalogue, Model, SemanticCache};
use infra::store::answers::Tenant;
use schemas::ids::{AccountId, RequestId};
use schemas::json;
use schemas::money::MicroUsd;
use schemas::openai::ChatRequest;
use schemas::records::KeyRecordV1;
use semantic::Vector;
use serde::Serialize;
use std::borrow::Cow;
use std::collections::HashMap;

/// Changes whenever what is kept, or what the digest covers, changes its meaning.
const VERSION: u32 = 2;

/// Under what an answer is kept: nobody can make one without saying whose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AnswerKey {
    tenant: Tenant,
    digest: String,
}

/// Under what answers to other wordings are found: everything but the last word is the same, and
/// the facts of that are.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SimilarKey {
    tenant: Tenant,
    digest: String,
    vector: Vector,
}

/// What is asked, as far as it changes the answer.
pub(crate) struct Question<'a> {
    /// Keeps answers of one tenant apart, if the client wants that.
    pub(crate) namespace: Option<&'a str>,
    /// The models that the key may use: it decides what `auto` and fallbacks choose.
    pub(crate) allowed: Option<&'a [String]>,
    /// The masked request.
    pub(crate) chat: &'a ChatRequest,
}

impl AnswerKey {
    /// The key of a question of a tenant. Whether it is streamed doesn't change the answer.
    pub(crate) fn new(tenant: Tenant, question: &Question<'_>) -> Self {
        let chat = plain(Cow::Borrowed(question.chat));
        let digest = digest_of(&question.covered(&tenant.to_string(), &chat));
        Self { tenant, digest }
    }

    /// Whose.
    pub(crate) fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// 64 hexadecimal digits.
    pub(crate) fn digest(&self) -> &str {
        &self.digest
    }
}

impl Question<'_> {
    /// All that changes the answer of a chat that is asked so.
    fn covered<'b>(&'b self, tenant: &'b str, chat: &'b ChatRequest) -> impl Serialize + 'b {
        (VERSION, tenant, self.namespace, self.allowed, chat)
    }
}

/// A chat without what doesn't change the answer.
fn plain(chat: Cow<'_, ChatRequest>) -> Cow<'_, ChatRequest> {
    // Most requests are it already, and needn't be copied.
    if chat.stream.is_none() && chat.stream_options.is_none() && chat.rest.is_empty() {
        return chat;
    }
    let chat = chat.into_owned();
    let mut chat = ChatRequest { stream: None, stream_options: None, ..chat };
    // An unknown field that says nothing is no other question, nor is another order of them.
    chat.rest.retain(|_, value| !value.is_null());
    chat.rest.sort_keys();
    Cow::Owned(chat)
}

fn digest_of(covered: &impl Serialize) -> String {
    // All of it has been read from JSON; what could not be written back would be equal to nothing.
    let text = json::to_vec(covered).unwrap_or_else(|_| RequestId::fresh().as_str().into());
    crate::auth::sha256_hex(&text)
}

impl SimilarKey {
    /// The key of a question of a tenant; nothing when no other wording may have its answer.
    pub(crate) fn new(tenant: Tenant, question: &Question<'_>) -> Option<Self> {
        let reading = semantic::last_question(question.chat)?;
        let (chat, name) =
            (plain(Cow::Owned(semantic::without_last_word(question.chat))), tenant.to_string());
        let digest = digest_of(&("similar", question.covered(&name, &chat), reading.digest()));
        Some(Self { tenant, digest, vector: reading.vector().clone() })
    }

    /// Whose.
    pub(crate) fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// 64 hexadecimal digits: what all wordings have in common.
    pub(crate) fn digest(&self) -> &str {
        &self.digest
    }

    /// What is this wording's own.
    pub(crate) fn vector(&self) -> &Vector {
        &self.vector
    }
}

/// Whether the answer to another wording may serve a request: the operator lets keys choose, the
/// key has chosen it, and the request leaves little to chance or asks for it itself.
pub(crate) fn takes_similar(
    cache: &Cache,
    key: &KeyRecordV1,
    wishes: &Wishes,
    chat: &ChatRequest,
) -> bool {
    // What a vendor does when nothing is said.
    const TEMPERATURE: f64 = 1.0;
    let is_calm = chat.temperature.unwrap_or(TEMPERATURE) <= cache.semantic_temperature_max;
    cache.semantic == SemanticCache::Keys
        && key.similar_answers
        && wishes.similar.unwrap_or(is_calm)
}

/// Who an account shares kept answers with.
pub(crate) fn tenant(cache: &Cache, account: &AccountId) -> Tenant {
    match cache.group_of(account) {
        Some(group) => Tenant::Group(group.clone()),
        None => Tenant::Account(account.clone()),
    }
}

/// What makes each model's answers, as far as it is configured: it doesn't change while a
/// configuration counts.
pub(crate) struct Makers(HashMap<String, String>);

impl Makers {
    /// Those of all models.
    pub(crate) fn of(models: &Catalogue) -> Self {
        Self(models.iter().map(|model| (model.name.clone(), maker(model))).collect())
    }

    /// That of a model, by its name.
    pub(crate) fn get(&self, model: &str) -> Option<&str> {
        self.0.get(model).map(String::as_str)
    }
}

/// What makes the answers of a model, beside its name: when the operator changes it, what was kept
/// is another model's.
fn maker(model: &Model) -> String {
    let deployments = model.deployments();
    let at: Vec<_> = deployments.iter().map(|at| (&at.upstream, &at.api_base)).collect();
    let made_by = format!("{:?}", (model.vendor, at, &model.llama));
    crate::auth::sha256_hex(made_by.as_bytes())
}

/// A kept answer's charge: a share of what it would cost anew, rounded up.
pub(crate) fn share(full: MicroUsd, percent: u8) -> MicroUsd {
    let hundredths = i128::from(full.0.max(0)) * i128::from(percent.min(100));
    MicroUsd(i64::try_from((hundredths + 99) / 100).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn chat(change: impl FnOnce(&mut Value)) -> ChatRequest {
        let mut body =
            json!({"model": "m", "messages": [{"role": "user", "content": "x"}], "seed": 1});
        change(&mut body);
        serde_json::from_value(body).unwrap()
    }

    fn account(name: &str) -> Tenant {
        Tenant::Account(AccountId::parse(name).unwrap())
    }

    fn key(tenant: Tenant, chat: &ChatRequest) -> AnswerKey {
        AnswerKey::new(tenant, &Question { namespace: None, allowed: None, chat })
    }

    #[test]
    fn what_changes_the_answer_changes_the_key() {
        let of = |change: fn(&mut Value)| key(account("acct_a"), &chat(change));
        let plain = of(|_| {});
        assert_eq!(plain, of(|body| body["stream"] = true.into()));
        assert_eq!(plain, of(|body| body["unknown"] = Value::Null));
        assert_ne!(plain, of(|body| body["seed"] = 2.into()));
        assert_ne!(plain, of(|body| body["unknown"] = 1.into()));
        let both = |body: &mut Value| {
            body["one"] = 1.into();
            body["two"] = 2.into();
        };
        let other_order = |body: &mut Value| {
            body["two"] = 2.into();
            body["one"] = 1.into();
        };
        assert_eq!(of(both), of(other_order));
        let allowed = ["m".to_owned()];
        let chat = chat(|_| {});
        let narrowed = Question { namespace: None, allowed: Some(&allowed), chat: &chat };
        assert_ne!(plain, AnswerKey::new(account("acct_a"), &narrowed));
        let apart = Question { namespace: Some("n"), allowed: None, chat: &chat };
        assert_ne!(plain, AnswerKey::new(account("acct_a"), &apart));
    }

    /// What is kept outlives a new program.
    #[test]
    fn the_digest_is_of_plain_json() {
        let asked = chat(|body| {
            body["temperature"] = 0.7.into();
            body["b"] = json!({"z": 1, "y": [null, 1.5]});
            body["a"] = "日本".into();
        });
        let (namespace, tenant) = (Some("n"), account("acct_a"));
        let question = Question { namespace, allowed: None, chat: &asked };
        let text =
            r#"[2,"acct_a","n",null,{"model":"m","messages":[{"role":"user","content":"x"}],"#;
        let text = format!(
            r#"{text}"temperature":0.7,"seed":1,"a":"日本","b":{{"z":1,"y":[null,1.5]}}}}]"#
        );
        let digest = crate::auth::sha256_hex(text.as_bytes());
        assert_eq!(AnswerKey::new(tenant, &question).digest(), digest);
    }

    /// Small, fast and always the same.
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self, sides: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040);
            usize::try_from(self.0 >> 33).unwrap() % sides
        }

        fn text(&mut self) -> String {
            const PIECES: [&str; 10] = ["a", "b", "_", "-", "group", "acct_", "1", "0", "x", "A"];
            let length = 1 + self.roll(4);
            (0..length).map(|_| PIECES[self.roll(PIECES.len())]).collect()
        }
    }

    /// Names, namespaces, models and texts made of the same few pieces: what belongs to one tenant
    /// or one question never has the place of another.
    #[test]
    fn no_two_tenants_share_a_key() {
        let mut dice = Dice(8);
        let mut seen: HashMap<String, String> = HashMap::new();
        for _ in 0..20_000 {
            let name = AccountId::parse(dice.text()).unwrap();
            let tenant = match dice.roll(2) {
                0 => Tenant::Account(name),
                _ => Tenant::Group(name),
            };
            let namespace = (dice.roll(2) == 0).then(|| dice.text());
            let allowed = (dice.roll(2) == 0).then(|| vec![dice.text(), dice.text()]);
            let text = dice.text();
            let asked = chat(|body| body["messages"][0]["content"] = text.clone().into());
            let question = Question {
                namespace: namespace.as_deref(),
                allowed: allowed.as_deref(),
                chat: &asked,
            };
            let what = format!("{tenant:?} {namespace:?} {allowed:?} {text}");
            let key = AnswerKey::new(tenant, &question);
            let place = infra::store::keys::answer(key.tenant(), key.digest());
            let before = seen.insert(place, what.clone());
            assert!(before.as_ref().is_none_or(|before| *before == what), "{before:?} = {what}");
        }
    }

    #[test]
    fn a_share_is_rounded_up_and_never_more_than_the_whole() {
        assert_eq!(share(MicroUsd(1_000), 0), MicroUsd(0));
        assert_eq!(share(MicroUsd(1_001), 10), MicroUsd(101));
        assert_eq!(share(MicroUsd(7), 100), MicroUsd(7));
        assert_eq!(share(MicroUsd(i64::MAX), 100), MicroUsd(i64::MAX));
    }
}
