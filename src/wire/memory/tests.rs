//! Properties of the ledger, under any order of claims and releases.

use super::{ALLOWANCE, Account, Charge, Memory, Need};
use crate::base::SharedCost;
use crate::wire::Parts;
use bytes::Bytes;
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

const MIB: usize = 1024 * 1024;
const LEAST: usize = 4096;

fn need(bytes: usize, is_oldest: bool) -> Need {
    Need {
        bytes,
        lacks: 0,
        is_arriving: bytes.is_multiple_of(2),
        is_oldest,
    }
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A connection that claims memory for a request step by step, holds it, and gives it back.
struct Connection {
    account: Account,
    woken: Arc<Woken>,
    held: Charge,
    /// The memory of earlier requests.
    done: Vec<Charge>,
    /// The rest to claim for the request.
    wants: Option<Vec<usize>>,
}

impl Connection {
    fn open(memory: &Arc<Memory>, address: u8) -> Self {
        Self {
            account: memory.open(IpAddr::V4(Ipv4Addr::new(10, 0, 0, address))),
            woken: Arc::default(),
            held: Charge::default(),
            done: Vec::new(),
            wants: None,
        }
    }

    /// Claims until it waits or has everything. Returns whether it waits.
    fn go_on(&mut self) -> bool {
        let waker = Waker::from(Arc::clone(&self.woken));
        let context = Context::from_waker(&waker);
        while let Some(wants) = &mut self.wants {
            let Some(next) = wants.last() else {
                self.wants = None;
                self.done.push(std::mem::take(&mut self.held));
                self.account.end_claim();
                break;
            };
            match self
                .account
                .poll_claim(&context, need(*next, self.done.is_empty()))
            {
                Poll::Ready(charge) => {
                    assert_eq!(charge.bytes(), *next);
                    self.held.merge(charge);
                    wants.pop();
                }
                Poll::Pending => return true,
            }
        }
        false
    }
}

#[derive(Clone, Debug)]
enum Act {
    Claim(Vec<usize>),
    GoOn,
    Release,
    Shrink(usize),
    Close,
}

fn act() -> impl Strategy<Value = Act> {
    let bytes = prop_oneof![1..200_000usize, 1..3 * MIB, 1..30 * MIB];
    prop_oneof![
        4 => prop::collection::vec(bytes, 1..5).prop_map(Act::Claim),
        3 => Just(Act::GoOn),
        3 => Just(Act::Release),
        1 => (0..MIB).prop_map(Act::Shrink),
        1 => Just(Act::Close),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn limits_are_kept_all_is_given_back_and_nobody_waits_for_ever(
        acts in prop::collection::vec((0..12usize, act()), 1..200),
        total in prop_oneof![Just(16 * MIB), Just(64 * MIB)],
    ) {
        let memory = Memory::new(Some(total));
        let address = |number: usize| (number % 4) as u8;
        let mut connections: Vec<_> =
            (0..12).map(|number| Connection::open(&memory, address(number))).collect();
        for (number, act) in acts {
            let connection = &mut connections[number];
            match act {
                Act::Claim(wants) if connection.wants.is_none() => {
                    connection.wants = Some(wants);
                    connection.go_on();
                }
                Act::Release => connection.done.truncate(1),
                Act::Shrink(bytes) => {
                    connection.done.iter_mut().for_each(|done| done.shrink_to(bytes));
                }
                Act::Close => *connection = Connection::open(&memory, address(number)),
                _ => { connection.go_on(); }
            }
            // One request exceeds the limits, and each connection has its minimum allowance.
            let beyond = memory.ledger().token_holds();
            let held = memory.held();
            prop_assert!(held <= total + beyond + 12 * LEAST, "{held} with {beyond} beyond");
        }
        // A connection that has everything gives it back, and a waiting one is served in its turn.
        for _ in 0..12 * 5 + 1 {
            for connection in &mut connections {
                connection.go_on();
                connection.done.clear();
            }
        }
        for (number, connection) in connections.iter().enumerate() {
            prop_assert!(connection.wants.is_none(), "{number} waits for ever");
        }
        prop_assert_eq!(memory.held(), 0);
        prop_assert!(memory.ledger().is_unused());
    }
}

fn context(connection: &Connection) -> Waker {
    Waker::from(Arc::clone(&connection.woken))
}

/// Claims `bytes`; returns whether the claim was granted.
fn take(connection: &mut Connection, bytes: usize) -> bool {
    let waker = context(connection);
    match connection
        .account
        .poll_claim(&Context::from_waker(&waker), need(bytes, true))
    {
        Poll::Ready(charge) => {
            connection.held.merge(charge);
            true
        }
        Poll::Pending => false,
    }
}

#[test]
fn whoever_is_granted_what_it_waits_for_is_woken_once() {
    let memory = Memory::new(Some(64 * MIB));
    let [mut first, mut second, mut third] = [1, 2, 3].map(|at| Connection::open(&memory, at));
    assert!(take(&mut first, 15 * MIB));
    first.account.end_claim();
    assert!(take(&mut second, 15 * MIB));
    // The paid part for large connections has 40 MiB: this one continues beyond it.
    assert!(take(&mut third, 15 * MIB));
    let mut fourth = Connection::open(&memory, 4);
    assert!(!take(&mut fourth, 15 * MIB));
    assert!(!take(&mut fourth, 15 * MIB));
    assert_eq!(fourth.woken.0.load(Ordering::Relaxed), 0);
    first.held = Charge::default();
    assert_eq!(
        fourth.woken.0.load(Ordering::Relaxed),
        0,
        "now the third is within it"
    );
    third.account.end_claim();
    assert_eq!(fourth.woken.0.load(Ordering::Relaxed), 1);
    assert!(take(&mut fourth, 15 * MIB));
}

#[test]
fn small_connections_get_on_where_large_ones_have_taken_all() {
    let memory = Memory::new(Some(64 * MIB));
    let mut large: Vec<_> = (0..8).map(|at| Connection::open(&memory, at)).collect();
    let got = large
        .iter_mut()
        .filter_map(|large| take(large, 12 * MIB).then_some(()));
    assert_eq!(got.count(), 4, "three within the limit and one beyond it");
    let mut small: Vec<_> = (0..16).map(|at| Connection::open(&memory, at)).collect();
    assert!(small.iter_mut().all(|small| take(small, MIB - 1)));
}

#[test]
fn an_address_takes_half_and_a_little_of_the_reserve() {
    let memory = Memory::new(Some(64 * MIB));
    let mut greedy: Vec<_> = (0..200).map(|_| Connection::open(&memory, 1)).collect();
    let taken = greedy
        .iter_mut()
        .map(|greedy| take(greedy, MIB - 1))
        .filter(|took| *took);
    // An eighth of each is free, until the free part is used up; one goes beyond.
    assert!(taken.count() <= 32 + 8 + 8 + 1);
    let mut honest = Connection::open(&memory, 2);
    assert!(take(&mut honest, MIB / 2));
}

#[test]
fn addresses_take_turns() {
    let memory = Memory::new(Some(64 * MIB));
    let mut holders: Vec<_> = (0..4)
        .map(|at| Connection::open(&memory, 100 + at))
        .collect();
    assert!(holders.iter_mut().all(|holder| take(holder, 12 * MIB)));
    let mut crowd: Vec<_> = (0..50).map(|_| Connection::open(&memory, 1)).collect();
    assert!(!crowd.iter_mut().any(|one| take(one, 10 * MIB)));
    let mut honest = Connection::open(&memory, 2);
    assert!(!take(&mut honest, 10 * MIB));
    holders.clear();
    assert!(
        take(&mut honest, 10 * MIB),
        "it is not behind all of the crowd"
    );
}

#[test]
fn the_free_part_shrinks_for_what_is_claimed_later() {
    let memory = Memory::new(Some(64 * MIB));
    let mut crowd: Vec<_> = (0..4000)
        .map(|at| Connection::open(&memory, (at % 200) as u8))
        .collect();
    for one in &mut crowd {
        let room = one.account.room(ALLOWANCE, 0).min(ALLOWANCE);
        one.held = one.account.force(room);
    }
    let last = crowd.last().unwrap().held.bytes();
    assert_eq!(last, LEAST);
    assert!(memory.held() <= 64 * MIB + 4000 * LEAST);
    crowd.clear();
    assert_eq!(memory.held(), 0);
}

#[test]
fn a_charge_outlives_its_connection_and_counts_with_its_address() {
    let memory = Memory::new(Some(64 * MIB));
    let mut first = Connection::open(&memory, 1);
    assert!(take(&mut first, 15 * MIB));
    let held = std::mem::take(&mut first.held);
    drop(first);
    assert_eq!(memory.held(), 15 * MIB);
    let mut others = [1, 1].map(|at| Connection::open(&memory, at));
    assert!(take(&mut others[0], 16 * MIB));
    // Half of its address is used up: only the token helps, and only once.
    assert!(take(&mut others[1], 10 * MIB));
    let mut last = Connection::open(&memory, 1);
    assert!(!take(&mut last, 10 * MIB));
    others[1].account.end_claim();
    assert!(!take(&mut last, 10 * MIB));
    drop(held);
    assert!(take(&mut last, 10 * MIB));
}

#[test]
fn the_token_is_for_the_oldest_request_of_a_connection() {
    let memory = Memory::new(Some(64 * MIB));
    let [mut first, mut second] = [1, 2].map(|at| Connection::open(&memory, at));
    let waker = context(&first);
    let context = Context::from_waker(&waker);
    let above_share = 20 * MIB;
    assert!(
        first
            .account
            .poll_claim(&context, need(above_share, false))
            .is_pending()
    );
    assert!(take(&mut second, above_share));
    second.account.end_claim();
    second.held = Charge::default();
    assert!(
        first
            .account
            .poll_claim(&context, need(above_share, false))
            .is_pending()
    );
    assert!(
        first
            .account
            .poll_claim(&context, need(above_share, true))
            .is_ready()
    );
}

#[test]
fn what_is_arriving_leaves_room_for_what_is_whole() {
    let memory = Memory::new(Some(64 * MIB));
    let mut crowd: Vec<_> = (0..200).map(|_| Connection::open(&memory, 1)).collect();
    let arriving = need(MIB - 2, true);
    let waker = context(&crowd[0]);
    let context = Context::from_waker(&waker);
    for one in &mut crowd {
        if let Poll::Ready(charge) = one.account.poll_claim(&context, arriving) {
            one.held = charge;
        }
    }
    let waiting = crowd.iter().filter(|one| one.account.is_waiting()).count();
    assert!(waiting > 100);
    let mut whole = Connection::open(&memory, 1);
    for _ in 0..100 {
        assert!(take(&mut whole, 300_001));
        whole.held = Charge::default();
    }
}

#[test]
fn requests_that_wait_with_little_pass_the_token_on() {
    let memory = Memory::new(Some(64 * MIB));
    // So many hold something for free that little is left of that, and half-read frames fill the rest of an address.
    let mut crowd: Vec<_> = (0..4000)
        .map(|at| Connection::open(&memory, 2 + (at % 200) as u8))
        .collect();
    for one in &mut crowd {
        let room = one.account.room(ALLOWANCE, 0).min(ALLOWANCE);
        one.held = one.account.force(room);
    }
    let halves: Vec<_> = (0..8).map(|_| Connection::open(&memory, 1)).collect();
    let filled: Vec<_> = halves
        .iter()
        .map(|half| half.account.force(6 * MIB))
        .collect();
    let mut waiting = Vec::new();
    for _ in 0..4 {
        let mut next = Connection::open(&memory, 1);
        assert!(take(&mut next, 30 * MIB), "the token has not come back");
        next.account.end_claim();
        next.held.shrink_to(20_000);
        waiting.push(next);
    }
    // A connection that keeps much keeps the token as well.
    let [mut large, mut last] = [1, 1].map(|at| Connection::open(&memory, at));
    assert!(take(&mut large, 30 * MIB));
    large.account.end_claim();
    assert!(!take(&mut last, 30 * MIB));
    large.held.shrink_to(20_000);
    assert!(take(&mut last, 30 * MIB));
    drop((large, last, waiting, filled, halves, crowd));
    assert!(memory.ledger().is_unused());
}

#[test]
fn what_answers_share_is_paid_once_for_as_long_as_anybody_has_it() {
    let memory = Memory::new(Some(MIB));
    let address = |last| IpAddr::V4(Ipv4Addr::new(127, 0, 0, last));
    let (one, other) = (memory.open(address(1)), memory.open(address(2)));
    let shared = Arc::new(SharedCost::new(5_000));
    for account in [&one, &other] {
        let mut parts = Parts::message(1, 0, Bytes::new());
        parts.share(Arc::clone(&shared));
        parts.pay_shared(|bytes| account.force(bytes));
    }
    assert_eq!((one.held(), other.held()), (5_000, 0));
    drop(one);
    assert_eq!(memory.held(), 5_000);
    drop(shared);
    assert_eq!(memory.held(), 0);
}
