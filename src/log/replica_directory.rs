//! A replica's directory while its log is opened: it is listed once, and files are opened by their names in it.
//!
//! A start opens one of these per partition, and most are unchanged. So no path is resolved twice, no file is asked
//! for what the listing has shown, and a small file costs three system calls.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read as _};
use std::mem::MaybeUninit;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, openat, statat};

/// Large enough for files of a few lines.
const SMALL: usize = 1024;
/// Large enough for the leader epoch file, which has one line per epoch.
const MOST: u64 = 64 * 1024 * 1024;

/// What is in a directory.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Listing {
    /// Names, in order.
    pub(super) files: Vec<String>,
    /// Entries that are not files, by name, and what they are.
    pub(super) others: Vec<(String, &'static str)>,
}

/// An open directory.
#[derive(Debug)]
pub(super) struct ReplicaDirectory {
    file: File,
    is_listed: Cell<bool>,
}

impl ReplicaDirectory {
    /// Opens it; `None` if it does not exist.
    pub(super) fn open(path: &Path) -> io::Result<Option<Self>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(opened) => Ok(Some(Self {
                file: File::from(opened),
                is_listed: Cell::new(false),
            })),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// The names of the files in it, in order. A symbolic link to a file is one, as for Kafka.
    pub(super) fn list(&self) -> io::Result<Listing> {
        let (mut names, mut others) = (Vec::new(), Vec::new());
        if self.is_listed.replace(true) {
            rustix::fs::seek(&self.file, rustix::fs::SeekFrom::Start(0))?;
        }
        let mut buffer = [MaybeUninit::uninit(); 8192];
        let mut entries = RawDir::new(&self.file, &mut buffer);
        while let Some(entry) = entries.next() {
            let entry = entry?;
            // a name that is not UTF-8 is not one of the log's
            let Ok(name) = entry.file_name().to_str() else {
                continue;
            };
            if [".", ".."].contains(&name) {
                continue;
            }
            let what = match entry.file_type() {
                FileType::RegularFile => None,
                _ => self.what_else(name)?,
            };
            match what {
                None => names.push(name.to_owned()),
                Some(what) => others.push((name.to_owned(), what)),
            }
        }
        names.sort_unstable();
        Ok(Listing {
            files: names,
            others,
        })
    }

    /// What an entry is if it is not a file, after following links; `None` for a file. Not all file systems list that.
    fn what_else(&self, name: &str) -> io::Result<Option<&'static str>> {
        let found = match statat(&self.file, name, AtFlags::empty()) {
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::LOOP) => {
                return Ok(Some("a link to nothing"));
            }
            found => found?,
        };
        Ok(match FileType::from_raw_mode(found.st_mode) {
            FileType::RegularFile => None,
            FileType::Directory => Some("a directory"),
            FileType::Fifo => Some("a FIFO"),
            FileType::Socket => Some("a socket"),
            FileType::BlockDevice | FileType::CharacterDevice => Some("a device"),
            _ => Some("something else"),
        })
    }

    /// How long a file is.
    pub(super) fn length(&self, name: &str) -> io::Result<u64> {
        let found = statat(&self.file, name, AtFlags::empty())?;
        Ok(u64::try_from(found.st_size).unwrap_or(0))
    }

    /// All of a small file. Bytes beyond the largest such file are not read.
    pub(super) fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let mut file = File::from(openat(&self.file, name, flags, Mode::empty())?);
        let mut buffer = [0; SMALL];
        let length = file.read(&mut buffer)?;
        let mut content = buffer.get(..length).unwrap_or_default().to_vec();
        // a short read is the end of the file
        if length == SMALL {
            file.take(MOST).read_to_end(&mut content)?;
        }
        Ok(content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_found() {
        let directory = tempfile::tempdir().unwrap();
        assert!(
            ReplicaDirectory::open(&directory.path().join("none"))
                .unwrap()
                .is_none()
        );
        for (name, length) in [("b", 0), ("a", SMALL), ("c", 3 * SMALL + 1)] {
            std::fs::write(directory.path().join(name), vec![7; length]).unwrap();
        }
        std::fs::create_dir(directory.path().join("d")).unwrap();
        std::os::unix::fs::symlink("a", directory.path().join("e")).unwrap();
        std::os::unix::fs::symlink("none", directory.path().join("f")).unwrap();
        let opened = ReplicaDirectory::open(directory.path()).unwrap().unwrap();
        for _ in 0..2 {
            let Listing { files, mut others } = opened.list().unwrap();
            assert_eq!(files, ["a", "b", "c", "e"]);
            others.sort_unstable();
            let others: Vec<_> = others.iter().map(|(name, what)| (&**name, *what)).collect();
            assert_eq!(others, [("d", "a directory"), ("f", "a link to nothing")]);
        }
        assert_eq!(opened.length("e").unwrap(), SMALL as u64);
        for (name, length) in [("b", 0), ("a", SMALL), ("c", 3 * SMALL + 1)] {
            assert_eq!(opened.length(name).unwrap(), length as u64);
            assert_eq!(opened.read(name).unwrap(), vec![7; length]);
        }
        assert!(opened.read("none").is_err());
    }

    #[test]
    fn a_long_listing_takes_several_reads() {
        let directory = tempfile::tempdir().unwrap();
        let names: Vec<String> = (0..2000).map(|n| format!("{n:020}.log")).collect();
        for name in &names {
            std::fs::write(directory.path().join(name), "").unwrap();
        }
        let opened = ReplicaDirectory::open(directory.path()).unwrap().unwrap();
        assert_eq!(opened.list().unwrap().files, names);
    }
}
