//! Decompressed data blocks, which all threads share.
//!
//! Each block has a slot while somebody uses it and for as long afterwards as nobody needs the slot. The index, under one
//! lock, tells which; the lock is held for a lookup and never while a block is decompressed. Whoever comes for a block
//! that another thread is decompressing waits for it.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cell::UnsafeCell;
use core::fmt;
use core::ops::Deref;
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};

use rustix::io::Errno;
use rustix::thread::futex;
use squashfs::read::Error;

use crate::mutex::Mutex;

/// States of a slot that somebody has pinned.
const LOADING: u32 = 0;
/// As before, and somebody sleeps until it is not.
const AWAITED: u32 = 1;
const READY: u32 = 2;
const FAILED: u32 = 3;

/// No slot, in a list of them.
const NONE: usize = usize::MAX;

/// The cache.
pub(super) struct BlockCache {
    slots: Box<[Slot]>,
    index: Mutex<Index>,
    block_size: usize,
}

struct Slot {
    state: AtomicU32,
    /// Written by the thread that set `LOADING`, read by those who have seen `READY` and hold a pin.
    block: UnsafeCell<Vec<u8>>,
}

// SAFETY: who may touch a block follows from the state and the pins, see `Slot::block`.
unsafe impl Sync for Slot {}

/// Which block is in which slot, and which slot goes first when one is needed.
struct Index {
    slots: BTreeMap<u64, usize>,
    entries: Box<[Entry]>,
    /// Slots that nobody has pinned: the first is the next to get another block.
    first: usize,
    last: usize,
}

#[derive(Clone, Copy)]
struct Entry {
    /// The block's position, unless the slot has none.
    block: Option<u64>,
    pins: u32,
    previous: usize,
    next: usize,
}

/// A block that stays as long as this is kept.
pub(super) struct Pinned<'c> {
    cache: &'c BlockCache,
    slot: usize,
    spent: bool,
}

impl BlockCache {
    pub(super) fn new(slots: usize, block_size: usize) -> Self {
        let unused = Entry { block: None, pins: 0, previous: NONE, next: NONE };
        let mut index = Index {
            slots: BTreeMap::new(),
            entries: alloc::vec![unused; slots].into(),
            first: NONE,
            last: NONE,
        };
        for slot in 0..slots {
            index.push_last(slot);
        }
        let slot = || Slot { state: AtomicU32::new(READY), block: UnsafeCell::new(Vec::new()) };
        let slots = core::iter::repeat_with(slot).take(slots).collect();
        Self { slots, index: Mutex::new(index), block_size }
    }

    /// The block at a position, loaded into a buffer of the block size if it is not there. `load` says how much of the
    /// buffer it is.
    pub(super) fn get(
        &self,
        position: u64,
        load: impl FnOnce(&mut [u8]) -> Result<usize, Error>,
    ) -> Result<Pinned<'_>, Error> {
        let (pinned, found) = {
            let mut index = self.index.lock();
            let (slot, found) =
                index.pin(position).ok_or(Error::Io(Errno::NOMEM.raw_os_error()))?;
            if !found {
                // Nobody else has a pin, and nobody gets one before the lock is free.
                self.slots[slot].state.store(LOADING, Relaxed);
            }
            (Pinned { cache: self, slot, spent: false }, found)
        };
        let slot = &self.slots[pinned.slot];
        if found {
            return slot.wait().map(|()| pinned);
        }
        // SAFETY: until the state says otherwise, the thread that set `LOADING` is alone with the block.
        let block = unsafe { &mut *slot.block.get() };
        if block.capacity() == 0 {
            // Memory that is new is all zeros already.
            *block = alloc::vec![0; self.block_size];
        }
        block.resize(self.block_size, 0);
        let loaded = load(block);
        block.truncate(*loaded.as_ref().unwrap_or(&0));
        slot.finish(if loaded.is_ok() { READY } else { FAILED });
        match loaded {
            Ok(_) => Ok(pinned),
            Err(error) => {
                self.index.lock().forget(pinned.slot);
                Err(error)
            }
        }
    }
}

impl Slot {
    /// Until the block was loaded by another thread.
    fn wait(&self) -> Result<(), Error> {
        loop {
            match self.state.load(Acquire) {
                READY => return Ok(()),
                FAILED => return Err(Error::Io(Errno::IO.raw_os_error())),
                LOADING => {
                    // Whatever it is now, the next turn sees.
                    let _ = self.state.compare_exchange(LOADING, AWAITED, Relaxed, Relaxed);
                }
                _ => {
                    let _ = futex::wait(&self.state, futex::Flags::PRIVATE, AWAITED, None);
                }
            }
        }
    }

    fn finish(&self, state: u32) {
        if self.state.swap(state, AcqRel) == AWAITED {
            let _ = futex::wake(&self.state, futex::Flags::PRIVATE, u32::MAX >> 1);
        }
    }
}

impl Index {
    /// A slot with one pin more, and whether it has the block or is to get it. `None` if all are pinned.
    fn pin(&mut self, block: u64) -> Option<(usize, bool)> {
        if let Some(&slot) = self.slots.get(&block) {
            if self.entries[slot].pins == 0 {
                self.unlink(slot);
            }
            self.entries[slot].pins += 1;
            return Some((slot, true));
        }
        let slot = Some(self.first).filter(|&slot| slot != NONE)?;
        self.unlink(slot);
        self.forget(slot);
        self.slots.insert(block, slot);
        self.entries[slot].block = Some(block);
        self.entries[slot].pins = 1;
        Some((slot, false))
    }

    fn unpin(&mut self, slot: usize, spent: bool) {
        self.entries[slot].pins -= 1;
        if self.entries[slot].pins > 0 {
            return;
        }
        if spent || self.entries[slot].block.is_none() {
            self.push_first(slot);
        } else {
            self.push_last(slot);
        }
    }

    /// The slot has no block that anybody could ask for any more.
    fn forget(&mut self, slot: usize) {
        if let Some(block) = self.entries[slot].block.take() {
            self.slots.remove(&block);
        }
    }

    fn unlink(&mut self, slot: usize) {
        let Entry { previous, next, .. } = self.entries[slot];
        match previous {
            NONE => self.first = next,
            previous => self.entries[previous].next = next,
        }
        match next {
            NONE => self.last = previous,
            next => self.entries[next].previous = previous,
        }
    }

    fn push_first(&mut self, slot: usize) {
        (self.entries[slot].previous, self.entries[slot].next) = (NONE, self.first);
        match self.first {
            NONE => self.last = slot,
            first => self.entries[first].previous = slot,
        }
        self.first = slot;
    }

    fn push_last(&mut self, slot: usize) {
        (self.entries[slot].previous, self.entries[slot].next) = (self.last, NONE);
        match self.last {
            NONE => self.first = slot,
            last => self.entries[last].next = slot,
        }
        self.last = slot;
    }
}

impl Pinned<'_> {
    /// Nobody is likely to ask for the block again, since the kernel has all of it. Its slot is the next to be used,
    /// while its memory is still in the processor's cache.
    pub(super) fn spend(&mut self) {
        self.spent = true;
    }

    /// Somebody will ask for the block.
    pub(super) fn keep(&mut self) {
        self.spent = false;
    }
}

impl Deref for Pinned<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: a pin is given out when the state is `READY`, and while there is one nobody loads another block.
        unsafe { &*self.cache.slots[self.slot].block.get() }
    }
}

impl Drop for Pinned<'_> {
    fn drop(&mut self) {
        self.cache.index.lock().unpin(self.slot, self.spent);
    }
}

impl fmt::Debug for BlockCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlockCache({})", self.slots.len())
    }
}

impl fmt::Debug for Pinned<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pinned({})", self.slot)
    }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn each_block_is_loaded_by_one_thread_while_others_wait() {
        let cache = BlockCache::new(16, 4096);
        let loads = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for block in 0..16 {
                        let pinned = cache.get(block, |into| {
                            loads.fetch_add(1, Relaxed);
                            std::thread::yield_now();
                            into[0] = u8::try_from(block).unwrap();
                            Ok(100)
                        });
                        let pinned = pinned.unwrap();
                        assert_eq!((pinned.len(), u64::from(pinned[0])), (100, block));
                    }
                });
            }
        });
        assert_eq!(loads.into_inner(), 16);
    }

    #[test]
    fn what_is_pinned_stays_and_what_is_spent_goes_first() {
        let cache = BlockCache::new(2, 4096);
        let load = |value: u8| {
            move |into: &mut [u8]| {
                into.fill(value);
                Ok(into.len())
            }
        };
        let never = |_: &mut [u8]| -> Result<usize, Error> { panic!("it is there") };
        let first = cache.get(1, load(1)).unwrap();
        let mut second = cache.get(2, load(2)).unwrap();
        // No slot is left.
        assert!(cache.get(3, load(3)).is_err());
        second.spend();
        drop(first);
        drop(second);
        // The second's slot is taken though the first was given up before it.
        drop(cache.get(3, load(3)).unwrap());
        assert_eq!(cache.get(1, never).unwrap()[0], 1);
        assert_eq!(cache.get(3, never).unwrap()[0], 3);
    }

    #[test]
    fn what_could_not_be_loaded_is_tried_again() {
        let cache = BlockCache::new(1, 4096);
        for _ in 0..3 {
            assert!(cache.get(7, |_| Err(Error::Io(5))).is_err());
        }
        assert_eq!(cache.get(7, |into| Ok(into.len())).unwrap().len(), 4096);
    }

    proptest::proptest! {
        #[test]
        fn any_order_of_use_gives_the_right_blocks(uses: Vec<(u8, bool, u8)>) {
            let cache = BlockCache::new(5, 16);
            let mut held = Vec::new();
            for (block, spent, keep) in uses {
                let block = block % 12;
                let mut pinned = cache.get(block.into(), |into| {
                    into.fill(block);
                    Ok(into.len())
                }).unwrap();
                if spent {
                    pinned.spend();
                }
                held.push((pinned, block));
                held.truncate(usize::from(keep % 4));
                for (pinned, block) in &held {
                    assert!(pinned.iter().all(|byte| byte == block));
                }
            }
        }
    }
}
