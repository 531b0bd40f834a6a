//! The descriptors that segments keep: of all that were opened, those that are used, and no more than a limit.
//!
//! Descriptors are a thing of the process, so this is one too ([`limit_kept_files`]). A file that is kept is
//! found without a lock. When one more is opened than the limit allows, the one that was opened first and not
//! used since goes (a second chance for those that were used, as pages get from a clock). Whoever reads it at
//! that moment holds it still; the next use opens it again.
//!
//! The limit gives way in two cases: a file that is held fast ([`KeptFile::hold`]) stays, and nobody searches
//! long for one that may go.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use arc_swap::ArcSwapOption;

use super::disk::is_out_of_descriptors;

/// How many kept files are looked at when one must go.
const MOST_LOOKED_AT: usize = 64;

/// How many go when the system has no descriptor left.
const GIVEN_BACK: usize = 32;

static KEPT: KeptFiles = KeptFiles::new();

/// Sets how many files segments may keep open in this process; without it there is no limit.
pub fn limit_kept_files(limit: usize) {
    KEPT.limit.store(limit, Ordering::Relaxed);
}

/// A file that stays open after its use while there is room. Clones are the same file.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeptFile {
    /// Most files of most partitions are never opened.
    slot: OnceLock<Arc<Slot>>,
}

#[derive(Debug, Default)]
struct Slot {
    file: ArcSwapOption<File>,
    is_used: AtomicBool,
    is_held: AtomicBool,
}

impl KeptFile {
    /// Nothing is open yet.
    pub(crate) const fn new() -> Self {
        Self {
            slot: OnceLock::new(),
        }
    }

    /// The file, opened by `open` if it is not.
    pub(crate) fn get(&self, open: impl Fn() -> io::Result<File>) -> io::Result<Arc<File>> {
        self.get_from(&KEPT, open)
    }

    fn get_from(
        &self,
        kept: &KeptFiles,
        open: impl Fn() -> io::Result<File>,
    ) -> io::Result<Arc<File>> {
        let slot = self.slot.get_or_init(Arc::default);
        if let Some(file) = slot.file.load_full() {
            slot.is_used.store(true, Ordering::Relaxed);
            return Ok(file);
        }
        let opened = open().or_else(|error| {
            // idle files give way to one that is needed
            if is_out_of_descriptors(&error) && kept.give_back(GIVEN_BACK) > 0 {
                return open();
            }
            Err(error)
        });
        Ok(slot.keep(kept, opened?))
    }

    /// Keeps a file that was just created.
    pub(crate) fn put(&self, file: File) {
        self.slot.get_or_init(Arc::default).keep(&KEPT, file);
    }

    /// The file, if it is open.
    pub(crate) fn opened(&self) -> Option<Arc<File>> {
        self.slot.get()?.file.load_full()
    }

    /// Whether the file must stay open from now on: what was written to it and not synced may still fail, and
    /// the system tells that to whoever had it open.
    pub(crate) fn hold(&self, is_held: bool) {
        let slot = self.slot.get_or_init(Arc::default);
        slot.is_held.store(is_held, Ordering::Relaxed);
    }
}

impl Slot {
    fn keep(self: &Arc<Self>, kept: &KeptFiles, file: File) -> Arc<File> {
        let file = Arc::new(file);
        if self.file.swap(Some(Arc::clone(&file))).is_none() {
            kept.note(self);
        }
        file
    }
}

/// What is kept, the oldest first.
struct KeptFiles {
    limit: AtomicUsize,
    /// A slot that is gone has closed its file.
    queue: Mutex<VecDeque<Weak<Slot>>>,
}

impl KeptFiles {
    const fn new() -> Self {
        Self {
            limit: AtomicUsize::new(usize::MAX),
            queue: Mutex::new(VecDeque::new()),
        }
    }

    fn note(&self, slot: &Arc<Slot>) {
        let mut queue = self.lock();
        if queue.len() >= self.limit.load(Ordering::Relaxed) {
            close_oldest(&mut queue);
        }
        queue.push_back(Arc::downgrade(slot));
    }

    /// Closes up to `count` files; returns how many they were.
    fn give_back(&self, count: usize) -> usize {
        let mut queue = self.lock();
        (0..count).take_while(|_| close_oldest(&mut queue)).count()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Weak<Slot>>> {
        // a holder does nothing that can leave the queue half changed
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets the oldest file go that is neither held nor was used since it was last looked at. Whether there was one
/// among those that are looked at.
fn close_oldest(queue: &mut VecDeque<Weak<Slot>>) -> bool {
    for _ in 0..queue.len().min(MOST_LOOKED_AT) {
        let Some(oldest) = queue.pop_front() else {
            return false;
        };
        let Some(slot) = oldest.upgrade() else {
            return true;
        };
        let may_stay =
            slot.is_held.load(Ordering::Relaxed) | slot.is_used.swap(false, Ordering::Relaxed);
        if !may_stay {
            slot.file.store(None);
            return true;
        }
        queue.push_back(oldest);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(limit: usize) -> KeptFiles {
        let kept = KeptFiles::new();
        kept.limit.store(limit, Ordering::Relaxed);
        kept
    }

    fn open(kept: &KeptFiles, file: &KeptFile) -> Arc<File> {
        file.get_from(kept, || File::open("/dev/null")).unwrap()
    }

    fn are_open(files: &[KeptFile]) -> Vec<bool> {
        files.iter().map(|file| file.opened().is_some()).collect()
    }

    #[test]
    fn the_oldest_that_nobody_used_goes() {
        let kept = kept(3);
        let files: Vec<KeptFile> = (0..5).map(|_| KeptFile::new()).collect();
        files[..3].iter().for_each(|file| drop(open(&kept, file)));
        open(&kept, &files[0]);
        let reader = files[1].opened().unwrap();
        open(&kept, &files[3]);
        assert_eq!(are_open(&files), [true, false, true, true, false]);
        assert!(reader.metadata().is_ok(), "whoever has it goes on");
        open(&kept, &files[4]);
        assert_eq!(are_open(&files), [true, false, false, true, true]);
        open(&kept, &files[1]);
        assert_eq!(are_open(&files).iter().filter(|open| **open).count(), 3);
    }

    #[test]
    fn what_is_held_stays() {
        let kept = kept(2);
        let files: Vec<KeptFile> = (0..5).map(|_| KeptFile::new()).collect();
        for file in &files[..3] {
            file.hold(true);
            open(&kept, file);
        }
        assert_eq!(are_open(&files[..3]), [true; 3], "though they are too many");
        open(&kept, &files[3]);
        open(&kept, &files[4]);
        assert_eq!(are_open(&files), [true, true, true, false, true]);
        files[0].hold(false);
        open(&kept, &files[3]);
        assert_eq!(are_open(&files), [false, true, true, true, true]);
    }

    #[test]
    fn what_was_dropped_does_not_count() {
        let kept = kept(2);
        let stays = KeptFile::new();
        open(&kept, &stays);
        for _ in 0..10 {
            drop(open(&kept, &KeptFile::new()));
        }
        assert!(kept.lock().len() <= 3);
    }

    #[test]
    fn without_descriptors_idle_files_give_way() {
        let kept = kept(usize::MAX);
        let (idle, held) = (KeptFile::new(), KeptFile::new());
        held.hold(true);
        open(&kept, &held);
        open(&kept, &idle);
        let wanted = KeptFile::new();
        let scarce = || match idle.opened() {
            Some(_) => Err(rustix::io::Errno::MFILE.into()),
            None => File::open("/dev/null"),
        };
        wanted.get_from(&kept, scarce).unwrap();
        assert_eq!(are_open(&[idle, held, wanted]), [false, true, true]);
    }
}
