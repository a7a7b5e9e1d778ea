//! What goes wrong: a seeded sequence of deaths, halts, lost memories and bad vendors, at most two
//! at once, with rests in between. At the end everything runs again.

use crate::cluster::{Cluster, Kind, signal};
use crate::dice::Dice;
use crate::vendor::{Vendor, Weather};
use rustix::process::Signal;
use std::time::{Duration, Instant};

/// What the nemesis does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nemesis {
    /// Everything that it knows, by chance.
    All,
    /// Each role and each server is killed and halted once, Redis wiped once.
    EachOnce,
    /// It stops each process in good order and starts it again, one after the other, once.
    RollingRestart,
    /// Nothing.
    None,
}

/// What happened.
#[derive(Debug, Default)]
pub(crate) struct Story {
    /// Each act in words, with the milliseconds since the beginning.
    pub(crate) acts: Vec<(u64, String)>,
    /// When Redis lost its memory.
    pub(crate) wipes: Vec<Instant>,
    /// The longest halt of a process.
    pub(crate) longest_halt: Duration,
}

/// One kind of fault.
#[derive(Debug, Clone, Copy)]
enum Act {
    Kill(Kind),
    Halt(Kind),
    Stop(Kind),
    KillNats,
    HaltNats,
    KillRedis,
    HaltRedis,
    WipeRedis,
    Weather(Weather),
    KillWhileHalted(Kind, Kind),
}

/// All of them, those that are often in practice more than once.
const ACTS: [Act; 22] = [
    Act::Kill(Kind::Worker),
    Act::Kill(Kind::Worker),
    Act::Kill(Kind::Gateway),
    Act::Kill(Kind::Gateway),
    Act::Kill(Kind::Billing),
    Act::Halt(Kind::Worker),
    Act::Halt(Kind::Worker),
    Act::Halt(Kind::Gateway),
    Act::Halt(Kind::Billing),
    Act::Stop(Kind::Worker),
    Act::Stop(Kind::Gateway),
    Act::Stop(Kind::Billing),
    Act::KillNats,
    Act::KillNats,
    Act::HaltNats,
    Act::KillRedis,
    Act::HaltRedis,
    Act::WipeRedis,
    Act::Weather(Weather::Refuses(500)),
    Act::Weather(Weather::Cuts),
    Act::Weather(Weather::Silence),
    Act::KillWhileHalted(Kind::Worker, Kind::Gateway),
];

/// Each role and server killed and halted.
const EACH: [Act; 11] = [
    Act::Kill(Kind::Worker),
    Act::Halt(Kind::Gateway),
    Act::KillNats,
    Act::Halt(Kind::Worker),
    Act::KillRedis,
    Act::Kill(Kind::Gateway),
    Act::HaltNats,
    Act::Kill(Kind::Billing),
    Act::WipeRedis,
    Act::Halt(Kind::Billing),
    Act::HaltRedis,
];

/// Everything that the nemesis plays with.
pub(crate) struct Stage<'a> {
    pub(crate) cluster: &'a mut Cluster,
    pub(crate) vendor: &'a Vendor,
    pub(crate) redis: redis::Client,
    pub(crate) began: Instant,
    pub(crate) loud: bool,
}

impl Stage<'_> {
    /// Plays for so long, or through its list.
    pub(crate) async fn play(&mut self, nemesis: Nemesis, seed: u64, time: Duration) -> Story {
        let mut story = Story::default();
        match nemesis {
            Nemesis::None => tokio::time::sleep(time).await,
            Nemesis::RollingRestart => {
                for (kind, number) in self.cluster.names() {
                    self.tell(&mut story, format!("restart {kind:?} {number}"));
                    self.cluster.stop(kind, number).await;
                    self.cluster.start_again(kind, number);
                    self.wait_until_ready().await;
                }
            }
            Nemesis::EachOnce => {
                let mut dice = Dice::of(seed, "nemesis");
                for act in EACH {
                    tokio::time::sleep(dice.pause(200, 600)).await;
                    self.act(act, &mut dice, &mut story).await;
                }
            }
            Nemesis::All => {
                let mut dice = Dice::of(seed, "nemesis");
                while self.began.elapsed() < time {
                    tokio::time::sleep(dice.pause(300, 1_800)).await;
                    let act = ACTS[dice.below(ACTS.len())];
                    self.act(act, &mut dice, &mut story).await;
                }
            }
        }
        self.vendor.set_weather(Weather::Fair);
        self.cluster.heal();
        story
    }

    fn tell(&self, story: &mut Story, what: String) {
        let at_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        if self.loud {
            crate::say(&format!("{:8.3} s  {what}", self.began.elapsed().as_secs_f64()));
        }
        story.acts.push((at_ms, what));
    }

    async fn act(&mut self, act: Act, dice: &mut Dice, story: &mut Story) {
        let pause = dice.pause(50, 1_500);
        let halt = dice.pause(300, 4_000);
        let number = dice.below(2);
        self.tell(story, format!("{act:?} {number}, {} ms", pause.max(halt).as_millis()));
        match act {
            Act::Kill(kind) => {
                self.cluster.kill(kind, number).await;
                tokio::time::sleep(pause).await;
                self.cluster.start_again(kind, number);
            }
            Act::Halt(kind) => {
                self.cluster.signal(kind, number, Signal::STOP);
                tokio::time::sleep(halt).await;
                self.cluster.signal(kind, number, Signal::CONT);
                story.longest_halt = story.longest_halt.max(halt);
            }
            Act::Stop(kind) => {
                self.cluster.stop(kind, number).await;
                self.cluster.start_again(kind, number);
            }
            Act::KillNats => {
                self.cluster.servers().kill_nats().await;
                tokio::time::sleep(pause).await;
                self.cluster.servers().start_nats_again().await;
            }
            Act::KillRedis => {
                self.cluster.servers().kill_redis().await;
                tokio::time::sleep(pause).await;
                self.cluster.servers().start_redis_again().await;
            }
            Act::HaltNats => halt_server(self.cluster.servers().nats_id(), halt).await,
            Act::HaltRedis => halt_server(self.cluster.servers().redis_id(), halt).await,
            Act::WipeRedis => {
                story.wipes.push(Instant::now());
                wipe(&self.redis).await;
            }
            Act::Weather(weather) => {
                self.vendor.set_weather(weather);
                tokio::time::sleep(halt).await;
                self.vendor.set_weather(Weather::Fair);
            }
            Act::KillWhileHalted(halted, killed) => {
                self.cluster.signal(halted, number, Signal::STOP);
                self.cluster.kill(killed, 1 - number).await;
                tokio::time::sleep(halt).await;
                self.cluster.signal(halted, number, Signal::CONT);
                self.cluster.start_again(killed, 1 - number);
                story.longest_halt = story.longest_halt.max(halt);
            }
        }
    }

    /// Every gateway is ready and knows both workers.
    async fn wait_until_ready(&self) {
        for (base, _) in self.cluster.gateways() {
            crate::wait_until_ready(&base).await;
        }
    }
}

async fn halt_server(id: Option<u32>, time: Duration) {
    signal(id, Signal::STOP);
    tokio::time::sleep(time).await;
    signal(id, Signal::CONT);
}

/// Redis forgets everything.
pub(crate) async fn wipe(redis: &redis::Client) {
    harness::wait_until("Redis is wiped", async || {
        let Ok(mut connection) = redis.get_multiplexed_async_connection().await else {
            return false;
        };
        redis::cmd("FLUSHALL").query_async::<()>(&mut connection).await.is_ok()
    })
    .await;
}
