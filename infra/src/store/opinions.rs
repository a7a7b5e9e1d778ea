//! What users think of answers, counted for each model and kind of work, and which model answered a
//! conversation last. No word of a conversation is here, only digests. When Redis is wiped it is
//! gone, and nothing but the counting suffers.

use super::{Store, StoreError, keys};
use redis::Script;
use schemas::ids::{AccountId, RequestId};
use schemas::subjects;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

static VOTE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/vote.lua")));

/// How long a vote can still be changed.
const VOTE_SECONDS: u64 = 30 * 86_400;

/// Rows kept for each part of the ledger.
const ROWS_MAX: isize = 2_000;

/// What speaks for or against an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// Somebody said so.
    Good,
    /// Somebody said so.
    Bad,
    /// The same was asked again.
    Regenerate,
    /// Another model had to answer.
    Fallback,
}

impl Signal {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Good, Self::Bad, Self::Regenerate, Self::Fallback];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Regenerate => "regenerate",
            Self::Fallback => "fallback",
        }
    }
}

/// One opinion: features of the request, never its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpinionRow {
    /// Which request.
    pub request: RequestId,
    /// When it was told: milliseconds since 1970.
    pub at_ms: u64,
    /// The model that it is about.
    pub model: String,
    /// The kind of work, `named` where the router didn't choose.
    pub task: String,
    /// What is thought of it.
    pub signal: Signal,
    /// Why the router chose the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
}

impl OpinionRow {
    /// The counter without the signal. Names of models may hold anything but a bar.
    fn field(&self) -> String {
        format!("{}|{}", self.model, self.task)
    }
}

/// The last turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationTurn {
    /// Which request.
    pub request: RequestId,
    /// Who answered it.
    pub model: String,
    /// Why.
    pub route: String,
}

/// How often, by model, kind of work and signal.
pub type Opinions = BTreeMap<(String, String), BTreeMap<String, i64>>;

impl Store {
    /// Counts a vote on a request; false when the same was said before.
    ///
    /// # Errors
    /// When Redis is away: it isn't counted.
    pub async fn vote(&self, account: &AccountId, row: &OpinionRow) -> Result<bool, StoreError> {
        let part = subjects::partition(account);
        let counted: i64 = VOTE
            .prepare_invoke()
            .key(keys::opinion(account, &row.request))
            .key(keys::opinions(part))
            .key(keys::opinion_rows(part))
            .arg(row.field())
            .arg(row.signal.as_str())
            .arg(encoded(row)?)
            .arg(VOTE_SECONDS)
            .arg(ROWS_MAX)
            .invoke_async(&mut self.connection())
            .await?;
        Ok(counted == 1)
    }

    /// Counts what a user does rather than says.
    ///
    /// # Errors
    /// When Redis is away: it isn't counted.
    pub async fn note(&self, account: &AccountId, row: &OpinionRow) -> Result<(), StoreError> {
        let part = subjects::partition(account);
        let field = format!("{}|{}", row.field(), row.signal.as_str());
        redis::pipe()
            .hincr(keys::opinions(part), field, 1)
            .ignore()
            .lpush(keys::opinion_rows(part), encoded(row)?)
            .ignore()
            .ltrim(keys::opinion_rows(part), 0, ROWS_MAX - 1)
            .ignore()
            .query_async::<()>(&mut self.connection())
            .await?;
        Ok(())
    }

    /// What was said of a request.
    ///
    /// # Errors
    /// When Redis is away or takes too long.
    pub async fn vote_on(
        &self,
        account: &AccountId,
        request: &RequestId,
        time_max: Duration,
    ) -> Result<Option<String>, StoreError> {
        let mut connection = self.connection();
        let mut command = redis::cmd("GET");
        command.arg(keys::opinion(account, request));
        let said = tokio::time::timeout(time_max, command.query_async(&mut connection)).await;
        Ok(said.map_err(|_| StoreError::Slow)??)
    }

    /// All counters.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn opinions(&self) -> Result<Opinions, StoreError> {
        let mut all = Opinions::new();
        for part in 0..subjects::LEDGER_PARTITIONS {
            let counters: BTreeMap<String, i64> = redis::cmd("HGETALL")
                .arg(keys::opinions(part))
                .query_async(&mut self.connection())
                .await?;
            for (field, count) in counters {
                let mut words = field.rsplitn(3, '|');
                if let (Some(signal), Some(task), Some(model)) =
                    (words.next(), words.next(), words.next())
                {
                    let row = all.entry((model.to_owned(), task.to_owned())).or_default();
                    *row.entry(signal.to_owned()).or_default() += count;
                }
            }
        }
        Ok(all)
    }

    /// The last rows of all parts, the oldest first.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn opinion_rows(&self) -> Result<Vec<OpinionRow>, StoreError> {
        let mut all = Vec::new();
        for part in 0..subjects::LEDGER_PARTITIONS {
            let rows: Vec<Vec<u8>> = redis::cmd("LRANGE")
                .arg(keys::opinion_rows(part))
                .arg(0)
                .arg(-1)
                .query_async(&mut self.connection())
                .await?;
            // What a later version wrote is left out.
            all.extend(rows.iter().filter_map(|row| serde_json::from_slice(row).ok()));
        }
        all.sort_by_key(|row: &OpinionRow| row.at_ms);
        Ok(all)
    }

    /// The turns that are known under these digests.
    ///
    /// # Errors
    /// When Redis is away or takes too long: go on as if there were none.
    pub async fn turns(
        &self,
        account: &AccountId,
        digests: &[&str],
        time_max: Duration,
    ) -> Result<Vec<Option<ConversationTurn>>, StoreError> {
        let mut connection = self.connection();
        let mut command = redis::cmd("MGET");
        for digest in digests {
            command.arg(keys::turn(account, digest));
        }
        let found = tokio::time::timeout(time_max, command.query_async(&mut connection)).await;
        let found: Vec<Option<Vec<u8>>> = found.map_err(|_| StoreError::Slow)??;
        let read = |turn: Vec<u8>| serde_json::from_slice(&turn).ok();
        Ok(found.into_iter().map(|turn| turn.and_then(read)).collect())
    }

    /// Remembers who answered.
    ///
    /// # Errors
    /// When Redis is away: it is forgotten.
    pub async fn keep_turn(
        &self,
        account: &AccountId,
        digest: &str,
        turn: &ConversationTurn,
        ttl_seconds: u64,
    ) -> Result<(), StoreError> {
        redis::cmd("SET")
            .arg(keys::turn(account, digest))
            .arg(encoded(turn)?)
            .arg("EX")
            .arg(ttl_seconds.max(1))
            .query_async::<()>(&mut self.connection())
            .await?;
        Ok(())
    }
}

fn encoded(row: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(row).map_err(|_| StoreError::Unreadable("an opinion".into()))
}
