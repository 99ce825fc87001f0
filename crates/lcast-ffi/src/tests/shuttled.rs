//! The registry of handles among threads, played in many orders.
//!
//! The same source is compiled here with the locks of `shuttle`, which stops a thread at each of
//! them and lets another go on.
#![allow(clippy::duplicate_mod, reason = "compiled with other locks")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

mod sync {
    pub(crate) use shuttle::sync::{Mutex, MutexGuard};
    pub(crate) use std::sync::PoisonError;
}

#[path = "../registry.rs"]
mod registry;

use self::registry::{Handle, Refused, Registry};

/// Orders of threads that are tried at random, besides those of a bounded search.
const ORDERS: usize = 5_000;

fn play(scenario: fn()) {
    shuttle::check_random(scenario, ORDERS);
    shuttle::check_pct(scenario, ORDERS, 3);
}

/// An object that counts how many of its kind there are.
#[derive(Debug)]
struct Counted(u32, Arc<AtomicUsize>);

impl Counted {
    fn new(name: u32, count: &Arc<AtomicUsize>) -> Arc<Self> {
        count.fetch_add(1, Ordering::SeqCst);
        Arc::new(Self(name, Arc::clone(count)))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Of several threads that free one handle, one does; the others are told; nothing is left.
#[test]
fn a_handle_is_freed_once_by_whoever_comes_first() {
    play(|| {
        let count = Arc::default();
        let registry = Arc::new(Registry::new(0));
        let handle = registry.insert(1, Counted::new(7, &count)).unwrap();
        let free = |registry: Arc<Registry<_>>| {
            shuttle::thread::spawn(move || match registry.remove(handle) {
                Ok(removed) => removed.len(),
                Err(refused) => {
                    assert_eq!(refused, Refused::Freed);
                    0
                }
            })
        };
        let threads: Vec<_> = (0..3).map(|_| free(Arc::clone(&registry))).collect();
        let freed: usize = threads.into_iter().map(|it| it.join().unwrap()).sum();
        assert_eq!((freed, registry.live(), count.load(Ordering::SeqCst)), (1, 0, 0));
    });
}

/// Whoever uses a handle while another frees it and a third fills its slot has the object that it
/// stood for, or is told; never another object.
#[test]
fn a_freed_handle_never_stands_for_another_object() {
    play(|| {
        let count = Arc::default();
        let registry = Arc::new(Registry::new(0));
        let first = registry.insert(1, Counted::new(1, &count)).unwrap();
        let user = {
            let registry = Arc::clone(&registry);
            shuttle::thread::spawn(move || {
                for _ in 0..2 {
                    match registry.object(first) {
                        Ok(object) => assert_eq!(object.0, 1),
                        Err(refused) => assert_eq!(refused, Refused::Freed),
                    }
                }
            })
        };
        let freer = {
            let registry = Arc::clone(&registry);
            shuttle::thread::spawn(move || drop(registry.remove(first).unwrap()))
        };
        let second = registry.insert(1, Counted::new(2, &count)).unwrap();
        assert_eq!(registry.object(second).unwrap().0, 2);
        freer.join().unwrap();
        let third = registry.insert(1, Counted::new(3, &count)).unwrap();
        user.join().unwrap();
        assert_eq!(registry.object(third).unwrap().0, 3);
        assert_eq!(registry.object(first).unwrap_err(), Refused::Freed);
        assert_eq!((registry.live(), count.load(Ordering::SeqCst)), (2, 2));
    });
}

/// A part that is lent while its holder is freed ends with it, or is refused: none outlives it.
#[test]
fn what_is_lent_ends_with_its_holder() {
    play(|| {
        let count = Arc::default();
        let registry = Arc::new(Registry::new(0));
        let holder = registry.insert(1, Counted::new(1, &count)).unwrap();
        let lend = |part: usize| {
            let (registry, count) = (Arc::clone(&registry), Arc::clone(&count));
            shuttle::thread::spawn(move || {
                let lend = |from: Handle, part| {
                    registry.lend(from, part, 2, Counted::new(part as u32, &count))
                };
                // A part of a part belongs to the same holder.
                let part = lend(holder, part).and_then(|it| lend(it, 10 + part).map(|_| it));
                match part {
                    Ok(lent) => match registry.remove(lent) {
                        Err(Refused::Lent | Refused::Freed) => {}
                        other => panic!("{other:?}"),
                    },
                    Err(refused) => assert_eq!(refused, Refused::Freed),
                }
            })
        };
        // Two lend the same part, so that one finds that it is lent.
        let threads = [lend(0), lend(0), lend(1)];
        drop(registry.remove(holder).unwrap());
        threads.into_iter().for_each(|it| it.join().unwrap());
        assert_eq!((registry.live(), count.load(Ordering::SeqCst)), (0, 0));
    });
}

/// Without threads, but the locks are those of shuttle here.
fn alone(test: fn()) {
    shuttle::check_random(test, 1);
}

#[test]
fn numbers_that_are_no_handles_are_told_apart() {
    alone(|| {
        let registry = Registry::new(1);
        let handle = registry.insert(3, ()).unwrap();
        assert_eq!((handle.kind(), Handle::from_bits(handle.bits())), (3, Some(handle)));
        for foreign in [0, 1, 0x7fff_dead_beef, u64::MAX >> 1, u64::MAX] {
            assert_eq!(Handle::from_bits(foreign), None, "{foreign:x}");
        }
        let refused = |bits: u64| registry.object(Handle::from_bits(bits).unwrap()).unwrap_err();
        // Of a slot and a generation that were never given out, and of another kind.
        assert_eq!(refused(handle.bits() + 1), Refused::Foreign);
        assert_eq!(refused(handle.bits() + (1 << 20)), Refused::Foreign);
        assert_eq!(refused(handle.bits() ^ (1 << 56)), Refused::Foreign);
        // Of the parent, and of a child.
        assert_eq!(refused(handle.bits() - (1 << 48)), Refused::Forked);
        assert_eq!(refused(handle.bits() + (1 << 48)), Refused::Foreign);
        registry.remove(handle).unwrap();
        assert_eq!(refused(handle.bits()), Refused::Freed);
    });
}
