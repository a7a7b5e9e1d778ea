//! The order in which the waiting requests of one pool have their turn: classes by their weights,
//! within a class one account after the other, within an account first come, first served. So an
//! account with a thousand requests delays another's one by one turn. It reads no clock.

use schemas::ids::AccountId;
use schemas::records::Priority;
use std::collections::{HashMap, VecDeque};

/// What a turn costs a class of weight 1; a class of weight w pays one w-th.
const STRIDE: u64 = 1 << 20;

/// How often each class has its turn, against the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Weights {
    pub(super) high: u64,
    pub(super) normal: u64,
    pub(super) low: u64,
}

/// All that wait, with what is handed to each at its turn.
pub(super) struct Fair<T> {
    classes: [Class<T>; 3],
    /// The pass of the class that had the last turn: who comes later doesn't catch up.
    pass: u64,
}

struct Class<T> {
    weight: u64,
    pass: u64,
    length: usize,
    /// Accounts with something waiting, the next one first.
    turns: VecDeque<AccountId>,
    accounts: HashMap<AccountId, VecDeque<(u64, T)>>,
}

/// Where one waits.
#[derive(Debug, Clone)]
pub(super) struct Spot {
    pub(super) class: usize,
    pub(super) account: AccountId,
    pub(super) number: u64,
}

/// A class by its place in the table.
pub(super) fn class_of(priority: Priority) -> usize {
    match priority {
        Priority::High => 0,
        Priority::Normal => 1,
        Priority::Low => 2,
    }
}

impl<T> Fair<T> {
    pub(super) fn new(weights: Weights) -> Self {
        let class = |weight: u64| Class {
            weight: weight.max(1),
            pass: 0,
            length: 0,
            turns: VecDeque::new(),
            accounts: HashMap::new(),
        };
        let Weights { high, normal, low } = weights;
        Self { classes: [class(high), class(normal), class(low)], pass: 0 }
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.classes.iter().map(|class| class.length).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Joins the line.
    pub(super) fn push(&mut self, spot: &Spot, item: T) {
        let pass = self.pass;
        let class = &mut self.classes[spot.class];
        if class.length == 0 {
            class.pass = class.pass.max(pass);
        }
        class.length += 1;
        let waiting = class.accounts.entry(spot.account.clone()).or_default();
        if waiting.is_empty() {
            class.turns.push_back(spot.account.clone());
        }
        waiting.push_back((spot.number, item));
    }

    /// Whose turn it is.
    pub(super) fn pop(&mut self) -> Option<T> {
        let waiting = self.classes.iter_mut().filter(|class| class.length > 0);
        let class = waiting.min_by_key(|class| class.pass)?;
        self.pass = class.pass;
        class.pass += STRIDE / class.weight;
        let account = class.turns.pop_front()?;
        let waiting = class.accounts.get_mut(&account)?;
        let (_, item) = waiting.pop_front()?;
        class.length -= 1;
        if waiting.is_empty() {
            class.accounts.remove(&account);
        } else {
            class.turns.push_back(account);
        }
        Some(item)
    }

    /// Leaves the line before its turn.
    pub(super) fn remove(&mut self, spot: &Spot) -> Option<T> {
        let class = &mut self.classes[spot.class];
        let waiting = class.accounts.get_mut(&spot.account)?;
        let index = waiting.binary_search_by_key(&spot.number, |(number, _)| *number).ok()?;
        let (_, item) = waiting.remove(index)?;
        class.length -= 1;
        if waiting.is_empty() {
            class.accounts.remove(&spot.account);
            class.turns.retain(|account| *account != spot.account);
        }
        Some(item)
    }

    /// How many have their turn before this one, if nobody else comes.
    pub(super) fn before(&self, spot: &Spot) -> u64 {
        let class = &self.classes[spot.class];
        let own = class.accounts.get(&spot.account);
        let is_earlier = |(number, _): &(u64, T)| *number < spot.number;
        let rounds = own.map_or(0, |waiting| waiting.partition_point(is_earlier));
        let mut before = rounds;
        let mut is_behind_us = false;
        for account in &class.turns {
            if *account == spot.account {
                is_behind_us = true;
                continue;
            }
            let length = class.accounts.get(account).map_or(0, VecDeque::len);
            before += length.min(if is_behind_us { rounds } else { rounds + 1 });
        }
        let turns = before as u64 + 1;
        let others = self.classes.iter().enumerate().filter(|(index, _)| *index != spot.class);
        let share = |other: &Class<T>| {
            let theirs = (turns * other.weight).div_ceil(class.weight);
            theirs.min(other.length as u64)
        };
        before as u64 + others.map(|(_, other)| share(other)).sum::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Waiting {
        fair: Fair<String>,
        number: u64,
    }

    impl Waiting {
        fn new() -> Self {
            let weights = Weights { high: 4, normal: 2, low: 1 };
            Self { fair: Fair::new(weights), number: 0 }
        }

        fn push(&mut self, priority: Priority, account: &AccountId, name: &str) -> Spot {
            self.number += 1;
            let (class, number) = (class_of(priority), self.number);
            let spot = Spot { class, account: account.clone(), number };
            self.fair.push(&spot, name.to_owned());
            spot
        }

        fn order(&mut self) -> Vec<String> {
            std::iter::from_fn(|| self.fair.pop()).collect()
        }
    }

    #[test]
    fn accounts_take_turns_whatever_they_bring() {
        let (many, one) = (AccountId::fresh(), AccountId::fresh());
        let mut waiting = Waiting::new();
        for _ in 0..1_000 {
            waiting.push(Priority::Normal, &many, "many");
        }
        let spot = waiting.push(Priority::Normal, &one, "one");
        assert_eq!(waiting.fair.before(&spot), 1);
        assert_eq!(waiting.order().iter().position(|name| name == "one"), Some(1));
        assert!(waiting.fair.is_empty());
    }

    #[test]
    fn classes_share_by_weight_and_none_starves() {
        let account = AccountId::fresh();
        let mut waiting = Waiting::new();
        for _ in 0..40 {
            for (priority, name) in
                [(Priority::Low, "l"), (Priority::Normal, "n"), (Priority::High, "h")]
            {
                waiting.push(priority, &account, name);
            }
        }
        let order = waiting.order();
        let count = |name: &str| order[..28].iter().filter(|found| *found == name).count();
        assert_eq!((count("h"), count("n"), count("l")), (16, 8, 4));
    }

    #[test]
    fn a_class_that_was_idle_does_not_catch_up() {
        let account = AccountId::fresh();
        let mut waiting = Waiting::new();
        for _ in 0..50 {
            waiting.push(Priority::Low, &account, "l");
            waiting.fair.pop();
        }
        for _ in 0..10 {
            waiting.push(Priority::Normal, &account, "n");
            waiting.push(Priority::Low, &account, "l");
        }
        let order = waiting.order();
        // Two to one from the start: what passed while nobody waited is nobody's.
        let low = order[..12].iter().filter(|name| *name == "l").count();
        assert!((3..=4).contains(&low), "{order:?}");
    }

    #[test]
    fn who_leaves_is_forgotten_and_the_position_is_what_will_happen() {
        let accounts: Vec<AccountId> = (0..3).map(|_| AccountId::fresh()).collect();
        let mut waiting = Waiting::new();
        let mut spots = Vec::new();
        for round in 0..4 {
            for (index, account) in accounts.iter().enumerate().take(3 - round % 2) {
                let name = format!("{index}.{round}");
                spots.push((name.clone(), waiting.push(Priority::Normal, account, &name)));
            }
        }
        let (gone, spot) = spots.remove(3);
        assert_eq!(waiting.fair.remove(&spot), Some(gone));
        assert_eq!(waiting.fair.remove(&spot), None);
        let told: Vec<(String, u64)> =
            spots.iter().map(|(name, spot)| (name.clone(), waiting.fair.before(spot))).collect();
        let order = waiting.order();
        assert_eq!(order.len(), told.len());
        for (name, before) in told {
            assert_eq!(order.iter().position(|found| *found == name), Some(before as usize));
        }
    }
}
