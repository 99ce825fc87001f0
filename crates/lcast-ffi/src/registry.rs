//! Which handles are alive, and what each stands for.
//!
//! A handle is a number in the shape of a pointer that points nowhere: a mark and the kind, the
//! fork, a generation and a slot. Its upper bits are those of no address of a program, so a pointer
//! to something else is no handle; the generation of a slot grows each time it is used, so a handle
//! that was freed is never another one. A slot whose generations are used up is not used again.
//!
//! What is *lent* belongs to the handle that lends it, and ends with it.
//!
//! One lock holds all of it, for a few instructions each time: nothing is dropped under it.

use std::collections::BTreeMap;

use super::sync::{Mutex, MutexGuard, PoisonError};

/// All handles of one process.
#[derive(Debug)]
pub(crate) struct Registry<T> {
    fork: u8,
    slots: Mutex<Slots<T>>,
}

/// A handle; never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Handle(u64);

/// A slot for an object that is still to come; dropped without one, it is free again.
#[derive(Debug)]
pub(crate) struct Reserved<'a, T> {
    registry: &'a Registry<T>,
    slot: u32,
}

/// Why a number is no live handle, or cannot become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It was never given out.
    Foreign,
    /// It was freed, or what lent it was.
    Freed,
    /// It was given out by the process of which this one is a fork.
    Forked,
    /// It belongs to another handle and is freed with that.
    Lent,
    /// There are as many handles as there may be.
    Full,
}

#[derive(Debug)]
struct Slots<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    live: usize,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    held: Option<Held<T>>,
}

#[derive(Debug)]
struct Held<T> {
    handle: Handle,
    object: T,
    /// Which handle lends it.
    holder: Option<Handle>,
    /// What it lends, by what the caller tells them apart.
    lent: BTreeMap<usize, Handle>,
}

impl Handle {
    const MARK: u64 = 0xC0;
    const SLOT_BITS: u32 = 20;
    const GENERATION_BITS: u32 = 28;
    const FORK_SHIFT: u32 = Self::SLOT_BITS + Self::GENERATION_BITS;
    const MARK_SHIFT: u32 = Self::FORK_SHIFT + 8;
    const GENERATION_MAX: u32 = (1 << Self::GENERATION_BITS) - 1;

    fn new(kind: u8, fork: u8, generation: u32, slot: u32) -> Self {
        let mark = Self::MARK | u64::from(kind & 0x0F);
        let top = (mark << Self::MARK_SHIFT) | (u64::from(fork) << Self::FORK_SHIFT);
        Self(top | (u64::from(generation) << Self::SLOT_BITS) | u64::from(slot))
    }

    /// A number that came from outside, if it has the shape of a handle.
    pub(crate) fn from_bits(bits: u64) -> Option<Self> {
        (bits >> Self::MARK_SHIFT & 0xF0 == Self::MARK).then_some(Self(bits))
    }

    pub(crate) fn bits(self) -> u64 {
        self.0
    }

    /// What kind of object it stands for.
    pub(crate) fn kind(self) -> u8 {
        (self.0 >> Self::MARK_SHIFT & 0x0F) as u8
    }

    fn fork(self) -> u8 {
        (self.0 >> Self::FORK_SHIFT) as u8
    }

    fn generation(self) -> u32 {
        (self.0 >> Self::SLOT_BITS) as u32 & Self::GENERATION_MAX
    }

    fn slot(self) -> usize {
        (self.0 & ((1 << Self::SLOT_BITS) - 1)) as usize
    }
}

/// Most handles alive at once: a slot for each.
pub(crate) const HANDLES_MAX: usize = 1 << Handle::SLOT_BITS;

impl<T> Registry<T> {
    /// A registry of the process that has been forked so many times.
    pub(crate) fn new(fork: u8) -> Self {
        let slots = Slots { slots: Vec::new(), free: Vec::new(), live: 0 };
        Self { fork, slots: Mutex::new(slots) }
    }

    fn lock(&self) -> MutexGuard<'_, Slots<T>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a slot for an object, before there is one: whoever has it can give out a handle.
    pub(crate) fn reserve(&self) -> Result<Reserved<'_, T>, Refused> {
        let slot = self.lock().reserve()?;
        Ok(Reserved { registry: self, slot })
    }

    #[cfg(test)]
    pub(crate) fn insert(&self, kind: u8, object: T) -> Result<Handle, Refused> {
        Ok(self.reserve()?.fill(kind, object))
    }

    /// The object of a live handle.
    pub(crate) fn object(&self, handle: Handle) -> Result<T, Refused>
    where
        T: Clone,
    {
        self.check_fork(handle)?;
        Ok(self.lock().held(handle)?.object.clone())
    }

    /// Frees a handle and all that it lends; gives what they stood for, to be dropped.
    pub(crate) fn remove(&self, handle: Handle) -> Result<Vec<T>, Refused> {
        self.check_fork(handle)?;
        let mut slots = self.lock();
        if slots.held(handle)?.holder.is_some() {
            return Err(Refused::Lent);
        }
        let mut removed = Vec::new();
        let mut next = vec![handle];
        while let Some(handle) = next.pop() {
            if let Some(held) = slots.take(handle) {
                next.extend(held.lent.into_values());
                removed.push(held.object);
            }
        }
        Ok(removed)
    }

    /// A handle for a part of what another stands for; the same for the same `part`. What a lent
    /// handle lends belongs to the one that was given out.
    pub(crate) fn lend(
        &self,
        holder: Handle,
        part: usize,
        kind: u8,
        object: T,
    ) -> Result<Handle, Refused> {
        self.check_fork(holder)?;
        let mut slots = self.lock();
        let held = slots.held(holder)?;
        let holder = held.holder.unwrap_or(holder);
        let held = slots.held(holder)?;
        if let Some(lent) = held.lent.get(&part) {
            return Ok(*lent);
        }
        let slot = slots.reserve()?;
        let lent = slots.fill(slot, self.fork, kind, object, Some(holder));
        slots.held(holder)?.lent.insert(part, lent);
        Ok(lent)
    }

    /// How many handles are alive.
    pub(crate) fn live(&self) -> usize {
        self.lock().live
    }

    fn check_fork(&self, handle: Handle) -> Result<(), Refused> {
        match handle.fork() {
            fork if fork == self.fork => Ok(()),
            fork if fork < self.fork => Err(Refused::Forked),
            _ => Err(Refused::Foreign),
        }
    }
}

impl<T> Reserved<'_, T> {
    /// Gives out a handle for the object.
    pub(crate) fn fill(self, kind: u8, object: T) -> Handle {
        let handle = self.registry.lock().fill(self.slot, self.registry.fork, kind, object, None);
        // The slot is the handle's from here on.
        std::mem::forget(self);
        handle
    }
}

impl<T> Drop for Reserved<'_, T> {
    fn drop(&mut self) {
        self.registry.lock().free.push(self.slot);
    }
}

impl<T> Slots<T> {
    fn reserve(&mut self) -> Result<u32, Refused> {
        if let Some(slot) = self.free.pop() {
            return Ok(slot);
        }
        if self.slots.len() >= HANDLES_MAX {
            return Err(Refused::Full);
        }
        self.slots.push(Slot { generation: 0, held: None });
        Ok(u32::try_from(self.slots.len() - 1).expect("a slot has 20 bits"))
    }

    fn fill(
        &mut self,
        index: u32,
        fork: u8,
        kind: u8,
        object: T,
        holder: Option<Handle>,
    ) -> Handle {
        let slot = &mut self.slots[index as usize];
        let handle = Handle::new(kind, fork, slot.generation, index);
        slot.held = Some(Held { handle, object, holder, lent: BTreeMap::new() });
        self.live += 1;
        handle
    }

    fn held(&mut self, handle: Handle) -> Result<&mut Held<T>, Refused> {
        let slot = self.slots.get_mut(handle.slot()).ok_or(Refused::Foreign)?;
        match &mut slot.held {
            Some(held) if held.handle == handle => Ok(held),
            _ if handle.generation() < slot.generation => Err(Refused::Freed),
            _ => Err(Refused::Foreign),
        }
    }

    fn take(&mut self, handle: Handle) -> Option<Held<T>> {
        self.held(handle).ok()?;
        let slot = &mut self.slots[handle.slot()];
        let held = slot.held.take();
        slot.generation += 1;
        self.live -= 1;
        if slot.generation <= Handle::GENERATION_MAX {
            self.free.push(u32::try_from(handle.slot()).expect("a slot has 20 bits"));
        }
        held
    }
}
