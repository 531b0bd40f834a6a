//! The file descriptors that segments keep open: those that are in use, up to a limit.
//!
//! `KEPT` is a static on purpose. The system counts descriptors by process, not by log directory or broker, so two
//! owners with a limit each would together exceed the limit of the process, and neither could close the other's files when
//! none is left. Whoever starts the process sets the limit once ([`limit_kept_files`]). The tests of this file make a
//! [`KeptFiles`] of their own.
//!
//! A file that is kept open is found without a lock. When the limit is reached, the file that was opened first and not used since is
//! closed (a second chance for those that were used, as in the clock algorithm for pages); its next use opens it
//! again. A file that somebody else holds stays open: closing it here would free no descriptor. Answers that clients
//! do not read hold files for long, so no more of them should be added when there are many already
//! ([`kept_files_are_many`]).
//!
//! A file with unsynced data is held ([`Hold::Unsynced`]): if such a write fails later, the system reports it to
//! whoever has the file open. It does so once: of two syncs at the same time, one fails and the other succeeds. So a
//! file is synced by one thread at a time ([`KeptFile::sync`]), and the next one finds the disk offline. These files
//! may exceed the limit, up to twice its value. Beyond that, or when the
//! system has no descriptor left, one of them is synced and then closed. Files that have lost their names
//! ([`Hold::Retired`]) may also exceed the limit, and the search for a file to close is short.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};

use arc_swap::ArcSwapOption;

use crate::base::lock;

use super::disk::{Disk, is_out_of_descriptors};

/// How many open files are considered when one must be closed.
const MOST_LOOKED_AT: usize = 64;

/// How many are closed when the system has no descriptor left.
const GIVEN_BACK: usize = 32;

static KEPT: KeptFiles = KeptFiles::new();

/// Sets how many files segments may keep open in this process; without it there is no limit.
pub fn limit_kept_files(limit: usize) {
    KEPT.limit.store(limit, Ordering::Relaxed);
}

/// Whether segments keep half as many more files open than the limit. Then none should be held for long.
pub fn kept_files_are_many() -> bool {
    KEPT.are_many()
}

/// A file that stays open after its use while there is room. Clones are the same file.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeptFile {
    /// Most files of most partitions are never opened.
    slot: OnceLock<Arc<Slot>>,
}

/// Why a file stays open although nobody uses it.
#[derive(Clone, Debug)]
pub(crate) enum Hold {
    /// It has unsynced data. If syncing it fails, the disk goes offline.
    Unsynced(Disk),
    /// It cannot be opened again.
    Retired,
}

#[derive(Debug, Default)]
struct Slot {
    file: ArcSwapOption<File>,
    is_used: AtomicBool,
    hold: Mutex<Option<Hold>>,
    /// Held during a sync, until its failure is known to the disk.
    syncing: Mutex<()>,
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
            // files that are not in use are closed for this one
            if is_out_of_descriptors(&error) && kept.give_back() {
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

    /// Makes the content of the file durable. Waits for a sync by another thread.
    ///
    /// # Errors
    /// Also when an earlier sync has failed: the disk is offline then.
    pub(crate) fn sync(
        &self,
        disk: &Disk,
        open: impl FnOnce() -> io::Result<File>,
    ) -> io::Result<()> {
        let slot = self.slot.get_or_init(Arc::default);
        let _turn = lock(&slot.syncing);
        match slot.file.load_full() {
            Some(file) => disk.sync(&file),
            // opened for this only
            None => disk.sync(&open()?),
        }
    }

    /// Keeps the file open from now on, if it is or once it is.
    pub(crate) fn hold(&self, hold: Hold) {
        *self.slot.get_or_init(Arc::default).hold() = Some(hold);
    }

    /// Allows the file to be closed later, unless it is retired.
    pub(crate) fn release(&self) {
        if let Some(slot) = self.slot.get() {
            let mut hold = slot.hold();
            if matches!(*hold, Some(Hold::Unsynced(_))) {
                *hold = None;
            }
        }
    }
}

impl Slot {
    /// Syncs and closes a file that was taken out of the queue. If the sync fails, the disk is offline, so no
    /// error is returned.
    fn sync_and_close(&self) {
        let hold = self.hold().clone();
        let _turn = lock(&self.syncing);
        if let (Some(file), Some(Hold::Unsynced(disk))) = (self.file.load_full(), hold) {
            drop(disk.sync(&file));
        }
        self.file.store(None);
    }

    /// Whether somebody else holds the file.
    fn is_lent(&self) -> bool {
        let file = self.file.load();
        file.as_ref()
            .is_some_and(|file| Arc::strong_count(file) > 1)
    }

    fn hold(&self) -> MutexGuard<'_, Option<Hold>> {
        lock(&self.hold)
    }

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
    /// A slot that no longer exists has closed its file.
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
        let limit = self.limit.load(Ordering::Relaxed);
        let mut queue = self.lock();
        let is_full = queue.len() >= limit && !close_oldest(&mut queue);
        let unsynced = if is_full && queue.len() >= limit.saturating_mul(2) {
            take_oldest_unsynced(&mut queue)
        } else {
            None
        };
        queue.push_back(Arc::downgrade(slot));
        drop(queue);
        unsynced.as_deref().map(Slot::sync_and_close);
    }

    /// Closes some files, the idle ones first. Returns whether there was one.
    fn give_back(&self) -> bool {
        let mut queue = self.lock();
        if (0..GIVEN_BACK).filter(|_| close_oldest(&mut queue)).count() > 0 {
            return true;
        }
        let unsynced = take_oldest_unsynced(&mut queue);
        drop(queue);
        unsynced.as_deref().map(Slot::sync_and_close).is_some()
    }

    fn are_many(&self) -> bool {
        let limit = self.limit.load(Ordering::Relaxed);
        self.lock().len() > limit.saturating_add(limit / 2)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Weak<Slot>>> {
        // nothing under this lock can leave the queue half changed
        lock(&self.queue)
    }
}

/// Closes the oldest file that nobody holds and that was not used since it was last considered. Returns whether there
/// was one among those that are considered.
fn close_oldest(queue: &mut VecDeque<Weak<Slot>>) -> bool {
    for _ in 0..queue.len().min(MOST_LOOKED_AT) {
        let Some(oldest) = queue.pop_front() else {
            return false;
        };
        let Some(slot) = oldest.upgrade() else {
            return true;
        };
        let may_stay =
            slot.is_used.swap(false, Ordering::Relaxed) | slot.hold().is_some() | slot.is_lent();
        if !may_stay {
            slot.file.store(None);
            return true;
        }
        queue.push_back(oldest);
    }
    false
}

/// Removes the oldest file that is held only because of unsynced data.
fn take_oldest_unsynced(queue: &mut VecDeque<Weak<Slot>>) -> Option<Arc<Slot>> {
    for _ in 0..queue.len().min(MOST_LOOKED_AT) {
        let oldest = queue.pop_front()?;
        let slot = oldest.upgrade()?;
        if !matches!(*slot.hold(), Some(Hold::Retired)) {
            return Some(slot);
        }
        queue.push_back(oldest);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::disk::{Operation, Probe, Verdict};

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
        open(&kept, &files[3]);
        assert_eq!(are_open(&files), [true, false, true, true, false]);
        open(&kept, &files[4]);
        assert_eq!(are_open(&files), [true, false, false, true, true]);
        open(&kept, &files[1]);
        assert_eq!(are_open(&files).iter().filter(|open| **open).count(), 3);
    }

    #[test]
    fn what_somebody_else_holds_stays_and_is_counted() {
        let kept = kept(2);
        let files: Vec<KeptFile> = (0..5).map(|_| KeptFile::new()).collect();
        let lent: Vec<_> = files[..4].iter().map(|file| open(&kept, file)).collect();
        assert_eq!(
            are_open(&files[..4]),
            [true; 4],
            "closing would give nothing"
        );
        assert!(kept.are_many());
        drop(lent);
        open(&kept, &files[4]);
        assert_eq!(are_open(&files).iter().filter(|open| **open).count(), 4);
        assert!(kept.give_back());
        assert_eq!(are_open(&files), [false; 5]);
        assert!(!kept.are_many());
    }

    #[test]
    fn what_is_held_stays() {
        let kept = kept(2);
        let files: Vec<KeptFile> = (0..5).map(|_| KeptFile::new()).collect();
        for file in &files[..3] {
            file.hold(Hold::Retired);
            open(&kept, file);
        }
        assert_eq!(are_open(&files[..3]), [true; 3], "though they are too many");
        open(&kept, &files[3]);
        open(&kept, &files[4]);
        assert_eq!(are_open(&files), [true, true, true, false, true]);
        files[0].release();
        open(&kept, &files[3]);
        assert_eq!(are_open(&files), [true, true, true, true, false]);
    }

    #[derive(Debug)]
    struct CountSyncs(AtomicUsize);

    impl Probe for CountSyncs {
        fn before(&self, operation: &Operation<'_>) -> Verdict {
            assert!(matches!(operation, Operation::Sync(_)));
            self.0.fetch_add(1, Ordering::SeqCst);
            Verdict::Pretend
        }
    }

    #[test]
    fn what_is_not_synced_is_synced_before_it_goes() {
        let kept = kept(2);
        let syncs = Arc::new(CountSyncs(AtomicUsize::new(0)));
        let disk = Disk::with_probe(syncs.clone());
        let files: Vec<KeptFile> = (0..6).map(|_| KeptFile::new()).collect();
        for file in &files[..4] {
            file.hold(Hold::Unsynced(disk.clone()));
            open(&kept, file);
        }
        assert_eq!(are_open(&files[..4]), [true; 4], "up to twice the limit");
        open(&kept, &files[4]);
        assert_eq!(syncs.0.load(Ordering::SeqCst), 1);
        assert_eq!(are_open(&files), [false, true, true, true, true, false]);
        files[1].release();
        open(&kept, &files[5]);
        assert_eq!(syncs.0.load(Ordering::SeqCst), 1, "another was idle");
        assert_eq!(are_open(&files).iter().filter(|open| **open).count(), 4);
    }

    /// Reports one failure, as Linux does, and succeeds from then on.
    #[derive(Debug, Default)]
    struct FailsOnce {
        syncs: AtomicUsize,
        has_failed: AtomicBool,
    }

    impl Probe for FailsOnce {
        fn before(&self, _: &Operation<'_>) -> Verdict {
            assert!(!self.has_failed.load(Ordering::SeqCst), "synced again");
            if self.syncs.fetch_add(1, Ordering::SeqCst) < 20 {
                return Verdict::Pretend;
            }
            self.has_failed.store(true, Ordering::SeqCst);
            // The other thread comes here now if anything lets it.
            std::thread::yield_now();
            Verdict::Fail
        }
    }

    #[test]
    fn no_sync_succeeds_after_one_that_fails() {
        for _ in 0..50 {
            let disk = Disk::with_probe(Arc::new(FailsOnce::default()));
            let file = KeptFile::new();
            file.put(File::open("/dev/null").unwrap());
            let sync = || file.sync(&disk, || File::open("/dev/null"));
            std::thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| while sync().is_ok() {});
                }
            });
            assert!(disk.is_offline());
        }
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
        held.hold(Hold::Retired);
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
