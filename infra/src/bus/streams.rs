//! Streams, consumers and buckets as we want them, made or mended at start. Names come from
//! `schemas::subjects`, sizes from the configuration.

use super::{Bus, BusError};
use crate::config::Queue;
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::kv;
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use schemas::subjects;
use std::time::Duration;

/// Pulls that may wait in one pool, all workers together: its free slots.
const FREE_SLOTS_MAX: i64 = 65_536;

/// Largest record of a key or an account, in bytes.
const RECORD_BYTES_MAX: i32 = 65_536;

/// Window in which a repeated message id is refused.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);

impl Bus {
    /// Makes or mends all streams, buckets and the consumers of these pools. Safe to repeat.
    ///
    /// # Errors
    /// When NATS refuses one of them, or can't be reached.
    pub async fn apply_streams(&self, queue: &Queue, pools: &[String]) -> Result<(), BusError> {
        self.apply_chat(queue, pools).await?;
        self.apply_stream(ledger_stream(queue.replicas)).await?;
        for bucket in [subjects::KEYS_BUCKET, subjects::ACCOUNTS_BUCKET] {
            self.apply_bucket(bucket, queue.replicas).await?;
        }
        self.sealer().await.map(drop)
    }

    /// Makes what isn't there, for a role that starts: the record of money, keys and accounts is
    /// mended by `fly-llm streams apply` alone, because a gateway's own user may not do that.
    ///
    /// # Errors
    /// When something is missing and our user may not make it, or NATS can't be reached.
    pub async fn make_missing_streams(
        &self,
        queue: &Queue,
        pools: &[String],
    ) -> Result<(), BusError> {
        let advice = "run `fly-llm streams apply` first";
        self.unless_denied(advice, self.make_missing(queue, pools)).await
    }

    async fn make_missing(&self, queue: &Queue, pools: &[String]) -> Result<(), BusError> {
        self.apply_chat(queue, pools).await?;
        if !self.has_stream(subjects::LEDGER_STREAM).await? {
            self.apply_stream(ledger_stream(queue.replicas)).await?;
        }
        for bucket in [subjects::KEYS_BUCKET, subjects::ACCOUNTS_BUCKET] {
            if !self.has_stream(&format!("KV_{bucket}")).await? {
                self.apply_bucket(bucket, queue.replicas).await?;
            }
        }
        self.sealer().await.map(drop)
    }

    async fn has_stream(&self, name: &str) -> Result<bool, BusError> {
        match self.jetstream().get_stream(name).await {
            Ok(_) => Ok(true),
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(problem)
                    if problem.error_code() == ErrorCode::STREAM_NOT_FOUND =>
                {
                    Ok(false)
                }
                _ => Err(BusError::request("looking for a stream", error)),
            },
        }
    }

    async fn apply_bucket(&self, bucket: &str, replicas: usize) -> Result<(), BusError> {
        let config = kv::Config {
            bucket: bucket.into(),
            max_value_size: RECORD_BYTES_MAX,
            history: 1,
            storage: StorageType::File,
            num_replicas: replicas,
            ..kv::Config::default()
        };
        let applied = self.jetstream().create_or_update_key_value(config).await;
        applied.map(drop).map_err(|error| BusError::request("making a key-value bucket", error))
    }

    /// Makes or mends the work queue: it lives in memory and is gone after a restart of NATS.
    /// Answers when the queue was made: another moment is another queue, without the jobs of the
    /// last.
    ///
    /// # Errors
    /// As [`Bus::apply_streams`].
    pub async fn apply_chat(&self, queue: &Queue, pools: &[String]) -> Result<String, BusError> {
        let made = self.apply_stream(chat_stream(queue)).await?;
        for pool in pools {
            let config = pool_consumer(queue, pool);
            self.jetstream()
                .create_consumer_on_stream(config, subjects::CHAT_STREAM)
                .await
                .map_err(|error| BusError::request("making the consumer of a pool", error))?;
        }
        Ok(made)
    }

    /// Answers when the stream was made.
    async fn apply_stream(&self, config: Config) -> Result<String, BusError> {
        let wanted_ttl = config.allow_message_ttl;
        let info = self
            .jetstream()
            .create_or_update_stream(config)
            .await
            .map_err(|error| BusError::request("making a stream", error))?;
        if wanted_ttl && !info.config.allow_message_ttl {
            return Err(BusError::TooOld("(it ignores message TTLs)".into()));
        }
        Ok(format!("{:?}", info.created))
    }
}

fn chat_stream(queue: &Queue) -> Config {
    Config {
        name: subjects::CHAT_STREAM.into(),
        description: Some("jobs, in memory only: a prompt never touches a disk".into()),
        subjects: vec![subjects::CHAT_SUBJECTS.into()],
        retention: RetentionPolicy::WorkQueue,
        storage: StorageType::Memory,
        discard: DiscardPolicy::New,
        max_messages: queue.jobs_max,
        max_bytes: queue.bytes_max,
        num_replicas: queue.replicas,
        allow_message_ttl: true,
        duplicate_window: DUPLICATE_WINDOW,
        ..Config::default()
    }
}

fn ledger_stream(replicas: usize) -> Config {
    Config {
        name: subjects::LEDGER_STREAM.into(),
        description: Some("the record of money: one message a subject, for ever".into()),
        subjects: vec![subjects::LEDGER_SUBJECTS.into()],
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        discard: DiscardPolicy::New,
        discard_new_per_subject: true,
        max_messages_per_subject: 1,
        deny_delete: true,
        deny_purge: true,
        allow_direct: true,
        num_replicas: replicas,
        duplicate_window: DUPLICATE_WINDOW,
        ..Config::default()
    }
}

fn pool_consumer(queue: &Queue, pool: &str) -> pull::Config {
    pull::Config {
        durable_name: Some(subjects::chat_consumer(pool)),
        filter_subject: subjects::chat_pool(pool),
        ack_policy: AckPolicy::Explicit,
        ack_wait: Duration::from_secs(queue.acknowledge_seconds),
        max_deliver: queue.deliveries_max,
        max_waiting: FREE_SLOTS_MAX,
        max_ack_pending: FREE_SLOTS_MAX,
        memory_storage: true,
        num_replicas: queue.replicas,
        ..pull::Config::default()
    }
}
