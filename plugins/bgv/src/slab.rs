//! Memory of limbs, from huge pages where the system has them: a query touches tens of megabytes once, and a fault for
//! every four kilobytes of them took a quarter of its time.
//!
//! Slabs stay with the process. A limb that is dropped is kept for the next one of its length, so that as much memory is
//! held as was ever used at once.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

use memmap2::MmapMut;

/// Bytes of a slab at least: some huge pages.
const SLAB_BYTES: usize = 16 << 20;

/// Words of a cache line.
const LINE: usize = 8;

/// Words between two limbs, so that those of a length that is a power of two do not all begin at the same place of a
/// page.
const GAP: usize = 5 * LINE;

/// N residues modulo one prime, at the beginning of a cache line.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Limb(&'static mut [u64]);

impl Limb {
    /// Of any content.
    #[must_use]
    pub fn any(length: usize) -> Self {
        let mut store = Store::lock();
        Self(store.kept(length).unwrap_or_else(|| store.fresh(length)))
    }

    /// Of zeros.
    #[must_use]
    pub fn zero(length: usize) -> Self {
        let mut store = Store::lock();
        let Some(limb) = store.kept(length) else { return Self(store.fresh(length)) };
        // Other threads need not wait for this.
        drop(store);
        limb.fill(0);
        Self(limb)
    }
}

impl Drop for Limb {
    fn drop(&mut self) {
        let limb = std::mem::take(&mut self.0);
        if !limb.is_empty() {
            Store::lock().free.entry(limb.len()).or_default().push(limb);
        }
    }
}

impl Deref for Limb {
    type Target = [u64];

    fn deref(&self) -> &[u64] {
        self.0
    }
}

impl DerefMut for Limb {
    fn deref_mut(&mut self) -> &mut [u64] {
        self.0
    }
}

/// All memory of limbs that no limb uses.
struct Store {
    /// By length.
    free: BTreeMap<usize, Vec<&'static mut [u64]>>,
    /// What is left of the last slab.
    slab: &'static mut [u64],
}

static STORE: Mutex<Store> = Mutex::new(Store { free: BTreeMap::new(), slab: &mut [] });

impl Store {
    /// Nothing that holds the lock panics half way.
    fn lock() -> MutexGuard<'static, Self> {
        STORE.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept(&mut self, length: usize) -> Option<&'static mut [u64]> {
        self.free.get_mut(&length).and_then(Vec::pop)
    }

    /// Of zeros.
    fn fresh(&mut self, length: usize) -> &'static mut [u64] {
        let padded = length.next_multiple_of(LINE) + GAP;
        if self.slab.len() < padded {
            self.slab = slab(padded);
        }
        let (own, rest) = std::mem::take(&mut self.slab).split_at_mut(padded);
        self.slab = rest;
        own.split_at_mut(length).0
    }
}

/// So many words at least, zeros.
fn slab(words: usize) -> &'static mut [u64] {
    let bytes = (words * size_of::<u64>()).max(SLAB_BYTES);
    // A map that the system refuses is memory that it lacks: as with any other allocation.
    let Ok(map) = MmapMut::map_anon(bytes) else { return vec![0; words].leak() };
    #[cfg(target_os = "linux")]
    {
        // A wish: without huge pages it is only slower.
        let _ = map.advise(memmap2::Advice::HugePage);
    }
    let map: &'static mut MmapMut = Box::leak(Box::new(map));
    bytemuck::cast_slice_mut(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limbs_are_their_own_and_come_again() {
        let mut limbs: Vec<Limb> = (0..40).map(|_| Limb::zero(1 << 15)).collect();
        for (index, limb) in (1_u64..).zip(&mut limbs) {
            assert_eq!(limb.as_ptr().align_offset(64), 0);
            limb.fill(index);
        }
        for (index, limb) in (1_u64..).zip(&limbs) {
            assert!(limb.len() == 1 << 15 && limb.iter().all(|&word| word == index));
        }
        drop(limbs);
        assert!(Limb::zero(1 << 15).iter().all(|&word| word == 0));
        assert!(Limb::any(0).is_empty());
    }
}
