//! Jobs that lie in the work queue, by their number there: looked at and removed. It never hands
//! one out; that is the pulls' (see `pull`).

use super::{Bus, BusError};
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::stream::{DeleteMessageErrorKind, RawMessageErrorKind, Stream};
use schemas::ids::RequestId;
use schemas::job::Job;
use schemas::subjects;

impl Bus {
    async fn queue(&self) -> Result<Stream<()>, BusError> {
        let queue = self.jetstream().get_stream_no_info(subjects::CHAT_STREAM).await;
        queue.map_err(|error| BusError::request("looking at the queue", error))
    }

    /// The job with a number; none when it isn't in the queue any more.
    ///
    /// # Errors
    /// When NATS can't be asked, or what lies there is no job.
    pub async fn queued_job(&self, sequence: u64) -> Result<Option<Job>, BusError> {
        let message = match self.queue().await?.get_raw_message(sequence).await {
            Ok(message) => message,
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => return Ok(None),
            Err(error) => return Err(BusError::request("looking at a queued job", error)),
        };
        match serde_json::from_slice(&message.payload) {
            Ok(job) => Ok(Some(job)),
            Err(error) => Err(BusError::Unreadable {
                subject: message.subject.to_string(),
                cause: error.to_string(),
            }),
        }
    }

    /// Removes a request's job, if it still lies under its number: in a queue that was made anew
    /// that may be another one's.
    ///
    /// # Errors
    /// When NATS can't be asked: the job may still be handed out.
    pub async fn remove_queued(&self, request: &RequestId, sequence: u64) -> Result<(), BusError> {
        let job = self.queued_job(sequence).await?;
        if job.is_none_or(|job| job.open().1.request != *request) {
            return Ok(());
        }
        match self.queue().await?.delete_message(sequence).await {
            Ok(_) => Ok(()),
            Err(error) => match error.kind() {
                // Somebody has taken it in this moment.
                DeleteMessageErrorKind::JetStream(refused)
                    if matches!(
                        refused.error_code(),
                        ErrorCode::NO_MESSAGE_FOUND | ErrorCode::SEQUENCE_NOT_FOUND
                    ) =>
                {
                    Ok(())
                }
                _ => Err(BusError::request("removing a queued job", error)),
            },
        }
    }
}
