//! A disk between two syncs: what is on it for certain, and what may be on it.
//!
//! ```text
//!  a file       version 0 (synced) -> write -> version 1 -> set length -> version 2 -> write -> version 3
//!               each sector is as in one of these versions, and so is the length
//!  a directory  names (synced), create, rename, rename, remove
//!               the first so many of these changes were made
//! ```
//! This is what the page cache does: a page is written out as it is at some time, and any page at any time.
//! What a file system keeps of it is never more than that. A length that came about before the content did
//! shows zeros; a length that did not come about hides the content.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use super::trace::{Event, Inode};

/// What a disk writes as a whole.
pub(super) const SECTOR: usize = 512;

/// What the system writes as a whole if nothing comes in between.
pub(super) const PAGE: usize = 4096;

/// A file's content since its last sync, oldest first.
#[derive(Clone, Debug)]
pub(super) struct Content {
    pub(super) versions: Vec<Arc<Vec<u8>>>,
}

impl Content {
    fn new(bytes: Vec<u8>) -> Self {
        Self {
            versions: vec![Arc::new(bytes)],
        }
    }

    fn sync(&mut self) {
        self.versions.drain(..self.versions.len() - 1);
    }

    pub(super) fn newest(&self) -> usize {
        self.versions.len() - 1
    }

    fn change(&mut self, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = Vec::clone(&self.versions[self.newest()]);
        change(&mut bytes);
        self.versions.push(Arc::new(bytes));
    }

    /// A sector of one version; what lies behind its end reads as zeros.
    pub(super) fn sector(&self, version: usize, number: usize) -> [u8; SECTOR] {
        let mut sector = [0; SECTOR];
        let bytes = &self.versions[version];
        let from = bytes.len().min(number * SECTOR);
        let to = bytes.len().min(from + SECTOR);
        sector[..to - from].copy_from_slice(&bytes[from..to]);
        sector
    }

    /// How many sectors the longest version has.
    pub(super) fn sectors(&self) -> usize {
        let longest = self.versions.iter().map(|bytes| bytes.len()).max();
        longest.unwrap_or(0).div_ceil(SECTOR)
    }

    /// The file with the length of one version, and each sector of the version that `of_sector` says. A sector
    /// that was cut off before that length came about was given back, and does not show what it held before.
    fn mixed(&self, length: usize, of_sector: impl Fn(usize) -> usize) -> Vec<u8> {
        let size = self.versions[length].len();
        let mut bytes = Vec::with_capacity(size + SECTOR);
        for number in 0..size.div_ceil(SECTOR) {
            let cut = (1..=length)
                .rev()
                .find(|version| self.versions[*version].len() <= number * SECTOR);
            let version = of_sector(number).max(cut.unwrap_or(0));
            bytes.extend_from_slice(&self.sector(version, number));
        }
        bytes.truncate(size);
        bytes
    }
}

#[derive(Clone, Debug)]
enum NameChange {
    Set(String, Inode),
    Move(String, String),
    Drop(String),
}

/// The names in a directory, and their changes since its last sync.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    synced: BTreeMap<String, Inode>,
    changes: Vec<NameChange>,
    /// When each of the changes was made.
    pub(super) times: Vec<usize>,
}

impl Names {
    fn sync(&mut self) {
        self.synced = self.after(self.changes.len());
        self.changes.clear();
        self.times.clear();
    }

    fn after(&self, changes: usize) -> BTreeMap<String, Inode> {
        let mut names = self.synced.clone();
        for change in &self.changes[..changes] {
            match change {
                NameChange::Set(name, node) => {
                    names.insert(name.clone(), *node);
                }
                NameChange::Move(from, to) => {
                    if let Some(node) = names.remove(from) {
                        names.insert(to.clone(), node);
                    }
                }
                NameChange::Drop(name) => {
                    names.remove(name);
                }
            }
        }
        names
    }
}

/// All files and directories below one, reachable or not.
#[derive(Clone, Debug)]
pub(super) struct Image {
    root: Inode,
    pub(super) directories: BTreeMap<Inode, Names>,
    pub(super) files: BTreeMap<Inode, Content>,
    time: usize,
}

/// What is on the disk: the changes of each directory's names, the version of each file's length and sectors.
/// Whatever is not listed is as it was synced.
#[derive(Clone, Debug, Default)]
pub(super) struct Survival {
    pub(super) names: BTreeMap<Inode, usize>,
    pub(super) lengths: BTreeMap<Inode, usize>,
    pub(super) sectors: BTreeMap<(Inode, usize), usize>,
}

/// Files by their paths below the root, and empty directories.
pub(super) type Tree = BTreeMap<String, Option<Vec<u8>>>;

impl Image {
    /// What is below `root`, all of it synced.
    pub(super) fn of(root: &Path) -> Self {
        let mut image = Self {
            root: root.metadata().unwrap().ino(),
            directories: BTreeMap::new(),
            files: BTreeMap::new(),
            time: 0,
        };
        image.load(root);
        image
    }

    fn load(&mut self, path: &Path) {
        let mut names = Names::default();
        for entry in std::fs::read_dir(path).unwrap() {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            let name = entry.file_name().into_string().unwrap();
            names.synced.insert(name, metadata.ino());
            if metadata.is_dir() {
                self.load(&entry.path());
            } else {
                let bytes = std::fs::read(entry.path()).unwrap();
                self.files.insert(metadata.ino(), Content::new(bytes));
            }
        }
        let inode = path.metadata().unwrap().ino();
        self.directories.insert(inode, names);
    }

    pub(super) fn apply(&mut self, event: &Event) {
        self.time += 1;
        match event {
            Event::Create {
                directory,
                name,
                node,
                is_directory,
            } => {
                if *is_directory {
                    self.directories.insert(*node, Names::default());
                } else {
                    self.files.insert(*node, Content::new(Vec::new()));
                }
                self.rename(*directory, NameChange::Set(name.clone(), *node));
            }
            Event::Rename {
                directory,
                from,
                to,
            } => self.rename(*directory, NameChange::Move(from.clone(), to.clone())),
            Event::Remove { directory, name } => {
                self.rename(*directory, NameChange::Drop(name.clone()));
            }
            Event::Write {
                file,
                position,
                bytes,
            } => self.file(*file).change(|content| {
                let (from, to) = (*position as usize, *position as usize + bytes.len());
                content.resize(content.len().max(to), 0);
                content[from..to].copy_from_slice(bytes);
            }),
            Event::SetLength { file, length } => {
                let length = *length as usize;
                self.file(*file).change(|content| content.resize(length, 0));
            }
            Event::Sync(file) => self.file(*file).sync(),
            Event::SyncDirectory(directory) => self.directories.get_mut(directory).unwrap().sync(),
            Event::SyncEverything => {
                self.files.values_mut().for_each(Content::sync);
                self.directories.values_mut().for_each(Names::sync);
            }
        }
    }

    fn rename(&mut self, directory: Inode, change: NameChange) {
        let names = self.directories.get_mut(&directory).unwrap();
        names.changes.push(change);
        names.times.push(self.time);
    }

    fn file(&mut self, file: Inode) -> &mut Content {
        self.files.get_mut(&file).unwrap()
    }

    /// What is there after a loss of power that this survives.
    pub(super) fn tree(&self, survival: &Survival) -> Tree {
        let mut tree = Tree::new();
        self.add(self.root, "", survival, &mut tree);
        tree
    }

    fn add(&self, directory: Inode, path: &str, survival: &Survival, tree: &mut Tree) {
        let changes = survival.names.get(&directory).copied().unwrap_or(0);
        for (name, node) in self.directories[&directory].after(changes) {
            let path = format!("{path}{name}");
            if let Some(content) = self.files.get(&node) {
                let length = survival.lengths.get(&node).copied().unwrap_or(0);
                let version = |sector| survival.sectors.get(&(node, sector)).copied().unwrap_or(0);
                tree.insert(path, Some(content.mixed(length, version)));
            } else {
                tree.insert(path.clone(), None);
                self.add(node, &format!("{path}/"), survival, tree);
            }
        }
    }
}

/// Puts the files there.
pub(super) fn write_tree(tree: &Tree, root: &Path) {
    for (path, content) in tree {
        let path = root.join(path);
        match content {
            Some(bytes) => std::fs::write(path, bytes).unwrap(),
            None => std::fs::create_dir(path).unwrap(),
        }
    }
}
