//! A view of money that is not where its writer left it, on a real redis-server: nothing is applied
//! on top of it, and starting anew from its watermark makes it exact. Never by timing: each state
//! that a crash could leave is written by hand.

use crate::view::View;
use infra::bus::ledger::Entry;
use infra::store::apply::Applied;
use infra::store::keys;

impl View {
    /// Grants by their places in the ledger and their amounts.
    async fn apply_grants(&self, before: u64, grants: &[(u64, i64)]) -> Applied {
        let grant = |(sequence, amount): &(u64, i64)| self.grant(*sequence, *amount);
        let entries: Vec<Entry> = grants.iter().map(grant).collect();
        self.apply(before, &entries).await
    }

    /// The watermark and the balance.
    async fn stands_at(&self) -> (u64, i64) {
        let at = self.store.watermark(self.part()).await.unwrap();
        (at, self.stands().await.0)
    }

    /// As after a restart from an older append-only file.
    async fn falls_back(&self, watermark: u64, balance: i64) {
        let (mark, account) = (keys::watermark(self.part()), keys::account(&self.account));
        self.ask::<()>(&["SET", &mark, &watermark.to_string()]).await;
        self.ask::<i64>(&["HSET", &account, "balance", &balance.to_string()]).await;
    }
}

#[tokio::test]
async fn nothing_is_applied_to_a_view_that_fell_back_until_its_writer_starts_anew() {
    let view = View::start().await;
    assert_eq!(view.apply_grants(0, &[(3, 100), (7, 20)]).await, Applied::At(7));
    assert_eq!(view.apply_grants(7, &[(9, 3)]).await, Applied::At(9));
    assert_eq!(view.stands_at().await, (9, 123));
    view.falls_back(7, 120).await;
    assert_eq!(view.apply_grants(9, &[(12, 5)]).await, Applied::Reseek, "9 is missing below 12");
    assert_eq!(view.stands_at().await, (7, 120), "nothing of the batch was applied");
    assert_eq!(view.apply_grants(7, &[(9, 3), (12, 5)]).await, Applied::At(12));
    assert_eq!(view.stands_at().await, (12, 128));
    view.stop().await;
}

#[tokio::test]
async fn a_wiped_view_takes_events_from_its_beginning_alone() {
    let view = View::start().await;
    assert_eq!(view.apply_grants(0, &[(3, 100), (7, 20)]).await, Applied::At(7));
    view.store.wipe_view(view.part()).await.unwrap();
    assert_eq!(view.apply_grants(7, &[(9, 3)]).await, Applied::Reseek);
    assert_eq!(view.stands_at().await, (0, 0));
    let all = [(3, 100), (7, 20), (9, 3)];
    assert_eq!(view.apply_grants(0, &all).await, Applied::At(9));
    assert_eq!(view.stands_at().await, (9, 123));
    // Another writer, that is behind, finds everything done; one that overlaps adds what is new.
    assert_eq!(view.apply_grants(0, &all).await, Applied::At(9));
    assert_eq!(view.apply_grants(3, &[(7, 20), (9, 3), (14, -50)]).await, Applied::At(14));
    assert_eq!(view.stands_at().await, (14, 73));
    view.stop().await;
}
