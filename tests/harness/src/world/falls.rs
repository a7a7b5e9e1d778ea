//! What befalls it: roles that are stopped, asked to, or killed, and a Redis without memory.

use super::World;

impl World {
    /// Stops a gateway in good order.
    pub async fn stop_gateway(&mut self, number: usize) {
        self.gateways[number].take().expect("it runs").0.stop().await;
    }

    /// Stops a provider worker in good order.
    pub async fn stop_worker(&mut self, number: usize) {
        self.workers[number].take().expect("it runs").stop().await;
    }

    /// Stops a billing worker in good order.
    pub async fn stop_billing(&mut self, number: usize) {
        self.billings[number].take().expect("it runs").stop().await;
    }

    /// `kill -9` of a gateway.
    pub fn kill_gateway(&mut self, number: usize) {
        self.places_may_stay = true;
        drop(self.gateways[number].take().expect("it runs"));
    }

    /// `kill -9` of a provider worker.
    pub fn kill_worker(&mut self, number: usize) {
        drop(self.workers[number].take().expect("it runs"));
    }

    /// `kill -9` of a billing worker.
    pub fn kill_billing(&mut self, number: usize) {
        drop(self.billings[number].take().expect("it runs"));
    }

    /// From now on Redis takes no more than so many bytes; 0 is as many as there are.
    pub async fn limit_redis_memory(&self, bytes: u64) {
        let mut command = redis::cmd("CONFIG");
        command.arg("SET").arg("maxmemory").arg(bytes);
        command.exec_async(&mut self.redis.clone()).await.unwrap();
    }

    /// Asks a gateway to stop, without waiting.
    pub fn ask_gateway_to_stop(&self, number: usize) {
        self.gateways[number].as_ref().expect("it runs").0.ask_to_stop();
    }

    /// Asks a provider worker to stop, without waiting.
    pub fn ask_worker_to_stop(&self, number: usize) {
        self.workers[number].as_ref().expect("it runs").ask_to_stop();
    }
}
