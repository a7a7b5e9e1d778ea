//! Workers, as they advertise themselves to whoever listens.

use super::{Bus, BusError};
use futures::StreamExt;
use schemas::advert::Advert;
use schemas::subjects;

impl Bus {
    /// Waits until a worker of a pool advertises itself.
    ///
    /// # Errors
    /// When adverts can't be listened to.
    pub async fn wait_for_worker(&self, pool: &str) -> Result<(), BusError> {
        let listening = |error| BusError::request("listening for adverts", error);
        let mut adverts =
            self.client.subscribe(subjects::HEALTH_SUBJECTS).await.map_err(listening)?;
        while let Some(message) = adverts.next().await {
            let advert = serde_json::from_slice(&message.payload);
            if matches!(advert, Ok(Advert::V1(advert)) if advert.pool == pool) {
                return Ok(());
            }
        }
        Err(BusError::request("listening for adverts", "the connection is closed"))
    }
}
