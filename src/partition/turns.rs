//! The order in which a lane takes its tasks: logs in turn, each log's tasks in their own order.
//!
//! ```text
//!   sent:     a1 a2 a3 a4 a5 | b1 | (all) | a6 c1
//!   queues:   a: a1 a2 a3 a4 a5 a6     b: b1     c: c1
//!   taken:    a1 a2   b1   c1   a3 a4   a5 (all) a6           a quantum holds two of these
//! ```
//! A turn ends when a quantum of bytes was taken, or the log has no more tasks. So a log with little to write waits
//! for at most one quantum of each other busy log. If a turn has exceeded the quantum (tasks are not divided), the
//! log's next turn is shorter.
//!
//! A task that concerns all logs comes when everything sent before it was taken. Tasks sent after it may come first:
//! otherwise it would restore the order of arrival.

use std::collections::VecDeque;
use std::hash::Hash;

use super::slot::NumberMap;

/// How many empty queues are kept for later logs, so that not every append allocates one.
const MOST_SPARE: usize = 64;

/// The queues of a lane: tasks `T` of logs with keys `K`, and tasks `C` that concern all of them.
#[derive(Debug)]
pub(super) struct Turns<K, T, C> {
    quantum: i64,
    queues: NumberMap<K, Queue<T>>,
    /// Logs with tasks, in the order of their turns. The log that has its turn now is not among them.
    order: VecDeque<K>,
    spare: Vec<VecDeque<Queued<T>>>,
    common: VecDeque<C>,
    /// How many of the remaining tasks were sent before the first of `common`, how many between the first and the
    /// second, and so on; one entry more than `common` has.
    left: VecDeque<usize>,
    /// How many of `common` were taken so far: the index of the first entry of `left`.
    taken: u64,
}

#[derive(Debug)]
struct Queue<T> {
    tasks: VecDeque<Queued<T>>,
    /// What the log may still take before its turn ends; negative if it has taken more than allowed.
    credit: i64,
}

#[derive(Debug)]
struct Queued<T> {
    task: T,
    cost: i64,
    /// How many common tasks were sent before it.
    after: u64,
}

impl<K: Copy + Eq + Hash, T, C> Turns<K, T, C> {
    /// No tasks. A turn takes `quantum` (in the unit of the tasks' cost).
    pub(super) fn new(quantum: usize) -> Self {
        Self {
            quantum: i64::try_from(quantum).unwrap_or(i64::MAX),
            queues: NumberMap::default(),
            order: VecDeque::new(),
            spare: Vec::new(),
            common: VecDeque::new(),
            left: VecDeque::from([0]),
            taken: 0,
        }
    }

    /// Whether there is nothing to do.
    pub(super) fn is_empty(&self) -> bool {
        self.queues.is_empty() && self.common.is_empty()
    }

    /// Adds a task behind those of the same log.
    pub(super) fn push(&mut self, key: K, cost: usize, task: T) {
        let queue = self.queues.entry(key).or_insert_with(|| {
            self.order.push_back(key);
            Queue {
                tasks: self.spare.pop().unwrap_or_default(),
                credit: 0,
            }
        });
        queue.tasks.push_back(Queued {
            task,
            cost: i64::try_from(cost).unwrap_or(i64::MAX),
            after: self.taken + self.common.len() as u64,
        });
        if let Some(left) = self.left.back_mut() {
            *left += 1;
        }
    }

    /// Adds a task that concerns all logs.
    pub(super) fn push_common(&mut self, task: C) {
        self.common.push_back(task);
        self.left.push_back(0);
    }

    /// The next task that concerns all logs, if everything sent before it was taken.
    pub(super) fn take_common(&mut self) -> Option<C> {
        if self.left.front() != Some(&0) {
            return None;
        }
        let task = self.common.pop_front()?;
        self.left.pop_front();
        self.taken += 1;
        Some(task)
    }

    /// Begins the turn of the next log.
    pub(super) fn begin(&mut self) -> Option<K> {
        loop {
            let key = self.order.pop_front()?;
            let Some(queue) = self.queues.get_mut(&key) else {
                continue;
            };
            queue.credit = queue.credit.saturating_add(self.quantum);
            if queue.credit > 0 {
                return Some(key);
            }
            self.order.push_back(key);
        }
    }

    /// The next task of the log whose turn it is; `None` ends its turn.
    pub(super) fn take(&mut self, key: K) -> Option<T> {
        let queue = self.queues.get_mut(&key)?;
        if queue.credit <= 0 && !queue.tasks.is_empty() {
            self.order.push_back(key);
            return None;
        }
        let Some(Queued { task, cost, after }) = queue.tasks.pop_front() else {
            // An empty log neither owes nor saves anything.
            if let Some(queue) = self.queues.remove(&key)
                && self.spare.len() < MOST_SPARE
            {
                self.spare.push(queue.tasks);
            }
            return None;
        };
        queue.credit = queue.credit.saturating_sub(cost);
        let place = usize::try_from(after.saturating_sub(self.taken)).ok();
        if let Some(left) = place.and_then(|place| self.left.get_mut(place)) {
            *left -= 1;
        }
        Some(task)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    const QUANTUM: usize = 100;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Taken {
        Task(u8, u32),
        Common(u32),
    }

    /// Takes everything, as a lane does.
    fn take_all(turns: &mut Turns<u8, u32, u32>) -> Vec<Taken> {
        let mut taken = Vec::new();
        while !turns.is_empty() {
            while let Some(common) = turns.take_common() {
                taken.push(Taken::Common(common));
            }
            let Some(key) = turns.begin() else { continue };
            while let Some(task) = turns.take(key) {
                taken.push(Taken::Task(key, task));
            }
        }
        taken
    }

    #[test]
    fn who_has_little_waits_for_one_quantum_of_who_has_much() {
        let mut turns = Turns::<u8, u32, u32>::new(QUANTUM);
        for number in 0..1000 {
            turns.push(1, 50, number);
        }
        turns.push(2, 1, 1000);
        turns.push(3, 1, 1001);
        let taken = take_all(&mut turns);
        let place = |wanted| taken.iter().position(|task| *task == wanted);
        assert_eq!(place(Taken::Task(2, 1000)), Some(2));
        assert_eq!(place(Taken::Task(3, 1001)), Some(3));
        assert_eq!(taken.len(), 1002);
    }

    #[test]
    fn what_was_taken_beyond_a_quantum_is_owed() {
        let mut turns = Turns::<u8, u32, u32>::new(QUANTUM);
        for number in 0..4 {
            turns.push(1, 5 * QUANTUM, number);
            turns.push(2, QUANTUM, number);
        }
        let taken = take_all(&mut turns);
        let ones = taken[..5]
            .iter()
            .filter(|it| matches!(it, Taken::Task(1, _)));
        assert_eq!(ones.count(), 1, "{taken:?}");
    }

    #[test]
    fn what_comes_in_the_midst_of_a_turn_is_served_after_it() {
        let mut turns = Turns::<u8, u32, u32>::new(QUANTUM);
        for number in 0..100 {
            turns.push(1, QUANTUM, number);
        }
        assert_eq!(turns.begin(), Some(1));
        assert_eq!(turns.take(1), Some(0));
        turns.push(2, 1, 0);
        assert_eq!(turns.take(1), None);
        assert_eq!(turns.begin(), Some(2));
    }

    #[derive(Clone, Copy, Debug)]
    enum Sent {
        Task(u8, usize),
        Common,
        /// The lane serves a log.
        Turn,
    }

    fn sent() -> impl Strategy<Value = Sent> {
        prop_oneof![
            8 => (0..4_u8, 0..3 * QUANTUM).prop_map(|(key, cost)| Sent::Task(key, cost)),
            1 => Just(Sent::Common),
            3 => Just(Sent::Turn),
        ]
    }

    proptest! {
        #[test]
        fn logs_keep_their_order_and_common_tasks_come_after_all_before_them(sent in vec(sent(), 0..200)) {
            let mut turns = Turns::<u8, u32, u32>::new(QUANTUM);
            let mut taken = Vec::new();
            let mut pushed = Vec::new();
            for (number, step) in (0..).zip(sent) {
                match step {
                    Sent::Task(key, cost) => {
                        turns.push(key, cost, number);
                        pushed.push(Taken::Task(key, number));
                    }
                    Sent::Common => {
                        turns.push_common(number);
                        pushed.push(Taken::Common(number));
                    }
                    Sent::Turn => {
                        while let Some(common) = turns.take_common() {
                            taken.push(Taken::Common(common));
                        }
                        if let Some(key) = turns.begin() {
                            while let Some(task) = turns.take(key) {
                                taken.push(Taken::Task(key, task));
                            }
                        }
                    }
                }
            }
            taken.extend(take_all(&mut turns));
            prop_assert_eq!(taken.len(), pushed.len());
            for key in 0..4 {
                let of = |all: &[Taken]| -> Vec<Taken> {
                    all.iter().copied().filter(|it| matches!(it, Taken::Task(of, _) if *of == key)).collect()
                };
                prop_assert_eq!(of(&taken), of(&pushed));
            }
            for (at, task) in taken.iter().enumerate() {
                let Taken::Common(number) = task else { continue };
                let is_before = |other: &Taken| match other {
                    Taken::Task(_, other) | Taken::Common(other) => other < number,
                };
                prop_assert!(taken[at..].iter().skip(1).all(|other| !is_before(other)));
            }
        }
    }
}
