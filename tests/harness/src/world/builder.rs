//! What a world is made of, said before it starts.

use super::{World, prepare, redis_connection};
use crate::client;
use crate::ears;
use crate::role::{Given, NatsUrls};
use crate::servers::Servers;
use crate::settings;
use crate::stripe::Stripe;
use crate::vendor::Vendor;
use crate::wait::wait_for;
use crate::wire::Wire;
use infra::bus::Bus;
use infra::config::Config;
use infra::store::Store;
use std::sync::Arc;
use tempfile::TempDir;

/// What a world is made of.
pub struct WorldBuilder {
    gateways: usize,
    workers: usize,
    billings: usize,
    sells: bool,
    has_own_users: bool,
    is_cluster: bool,
    is_one_process: bool,
    is_wired: bool,
    change: Box<dyn FnOnce(&mut Config)>,
}

impl WorldBuilder {
    /// One of each role.
    pub(super) fn new() -> Self {
        let change = Box::new(|_: &mut Config| {});
        Self {
            gateways: 1,
            workers: 1,
            billings: 1,
            sells: false,
            has_own_users: false,
            is_cluster: false,
            is_one_process: false,
            is_wired: false,
            change,
        }
    }

    /// So many gateways; one when not said.
    #[must_use]
    pub fn gateways(mut self, count: usize) -> Self {
        self.gateways = count;
        self
    }

    /// So many provider workers; one when not said.
    #[must_use]
    pub fn workers(mut self, count: usize) -> Self {
        self.workers = count;
        self
    }

    /// So many billing workers; one when not said.
    #[must_use]
    pub fn billings(mut self, count: usize) -> Self {
        self.billings = count;
        self
    }

    /// Sells credit, through a double of Stripe.
    #[must_use]
    pub fn sells(mut self) -> Self {
        self.sells = true;
        self
    }

    /// Each role connects to NATS as the user that nats.conf has for it.
    #[must_use]
    pub fn own_users(mut self) -> Self {
        self.has_own_users = true;
        self
    }

    /// Three nats-servers instead of one, and three copies of each stream.
    #[must_use]
    pub fn cluster(mut self) -> Self {
        self.is_cluster = true;
        self
    }

    /// Gateways and workers share a connection and hand each other what they have, as in the one
    /// process of `fly-llm up`.
    #[must_use]
    pub fn one_process(mut self) -> Self {
        self.is_one_process = true;
        self
    }

    /// Gateways reach NATS and Redis over networks that can break ([`World::wires`]).
    #[must_use]
    pub fn wired(mut self) -> Self {
        self.is_wired = true;
        self
    }

    /// Changes the configuration.
    #[must_use]
    pub fn config(mut self, change: impl FnOnce(&mut Config) + 'static) -> Self {
        self.change = Box::new(change);
        self
    }

    /// Starts everything; it answers chats when this returns.
    pub async fn start(self) -> World {
        prepare();
        let folder = TempDir::new().unwrap();
        let (mut servers, vendor) = tokio::join!(Servers::start(folder.path()), Vendor::start());
        learn_passwords(&servers);
        let mut config = settings::config(&vendor.url());
        let stripe = if self.sells { Some(Stripe::start().await) } else { None };
        if let Some(stripe) = &stripe {
            settings::sell(&mut config, &stripe.url());
        }
        if self.is_cluster {
            servers.become_a_cluster().await;
            config.queue.replicas = 3;
        }
        (self.change)(&mut config);
        let bus = Bus::connect(&servers.nats_url(), "harness").await.unwrap();
        let redis_url = servers.redis_url();
        // Both give up after a second, and a busy machine may need more.
        let store = wait_for("Redis", async || Store::connect(redis_url).await.ok()).await;
        let redis = wait_for("Redis", async || redis_connection(redis_url).await.ok()).await;
        let pools = config.models.pools();
        // The servers of a cluster choose a leader first.
        wait_for("the streams", async || bus.apply_streams(&config.queue, &pools).await.ok()).await;
        let config = Arc::new(config);
        let (told, configs) = tokio::sync::watch::channel(Arc::clone(&config));
        let redis_url = servers.redis_url().to_owned();
        let mut given = Given {
            config,
            configs,
            nats_urls: nats_urls(&servers, self.has_own_users),
            shared: self.is_one_process.then(|| bus.clone()),
            redis_urls: (redis_url.clone(), redis_url),
        };
        let wires = if self.is_wired { Some(Wires::lay(&servers, &mut given).await) } else { None };
        let mut world = World {
            folder,
            servers,
            vendor,
            stripe,
            given,
            wires,
            told,
            bus,
            store,
            redis,
            http: client::http(),
            gateways: Vec::new(),
            workers: Vec::new(),
            billings: Vec::new(),
            places_may_stay: false,
            finished: false,
        };
        for _ in 0..self.billings {
            world.add_billing();
        }
        for _ in 0..self.workers {
            world.add_worker();
        }
        for _ in 0..self.gateways {
            world.add_gateway().await;
        }
        if self.billings > 0 {
            world.wait_until_live().await;
        }
        if self.workers > 0 {
            world.wait_until_ready().await;
        }
        world
    }
}

/// The networks of a world's gateways.
pub struct Wires {
    /// To NATS.
    pub nats: Wire,
    /// To Redis.
    pub redis: Wire,
}

impl Wires {
    /// Both, put before the gateways' addresses.
    async fn lay(servers: &Servers, given: &mut Given) -> Self {
        let (nats, redis) = (servers.nats_address(), servers.redis_address());
        let wires = Self { nats: Wire::to(nats).await, redis: Wire::to(redis).await };
        given.nats_urls.gateway = wires.nats.over(&given.nats_urls.gateway, nats);
        given.redis_urls.0 = wires.redis.over(&given.redis_urls.0, redis);
        wires
    }
}

/// No role may log them.
fn learn_passwords(servers: &Servers) {
    for url in [servers.nats_url().as_str(), servers.redis_url()] {
        let password = url.rsplit_once('@').and_then(|(before, _)| before.rsplit_once(':'));
        ears::learn(password.expect("a URL with a password").1);
    }
}

fn nats_urls(servers: &Servers, has_own_users: bool) -> NatsUrls {
    let of = |user: &str| match has_own_users {
        true => servers.nats_url_of(user),
        false => servers.nats_url().to_owned(),
    };
    NatsUrls { gateway: of("gateway"), worker: of("worker-cloud"), billing: of("billing") }
}
