//! Which states are tried: all of them where they are few, else the extremes and some at random.

use std::collections::BTreeSet;

use super::image::{Image, PAGE, SECTOR, Survival};
use super::trace::{Event, Inode};

/// How much is tried at one point.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    /// Every state is tried where there are no more than this many.
    pub(super) exhaustive: usize,
    /// States at random where there are more.
    pub(super) random: usize,
    /// Also those extremes of which there is one for each file, sector or name.
    pub(super) each: bool,
}

/// Something that may have survived in one of several ways.
#[derive(Clone, Debug)]
enum Choice {
    /// So many of the directory's changes, up to this many.
    Names(Inode, usize),
    /// The length of one of these versions.
    Length(Inode, Vec<usize>),
    /// A sector of one of these versions.
    Sector(Inode, usize, Vec<usize>),
}

impl Choice {
    fn count(&self) -> usize {
        match self {
            Self::Names(_, changes) => changes + 1,
            Self::Length(_, versions) | Self::Sector(_, _, versions) => versions.len(),
        }
    }

    const fn file(&self) -> Option<Inode> {
        match self {
            Self::Names(..) => None,
            Self::Length(file, _) | Self::Sector(file, ..) => Some(*file),
        }
    }
}

/// Numbers that look random, from a seed (splitmix64).
#[derive(Clone, Debug)]
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit.max(1) as u64) as usize
    }
}

/// The versions that differ from the one before them.
fn distinct<T: PartialEq>(newest: usize, of_version: impl Fn(usize) -> T) -> Vec<usize> {
    (0..=newest)
        .filter(|version| *version == 0 || of_version(*version) != of_version(version - 1))
        .collect()
}

fn choices(image: &Image) -> Vec<Choice> {
    let mut choices = Vec::new();
    for (directory, names) in &image.directories {
        if !names.times.is_empty() {
            choices.push(Choice::Names(*directory, names.times.len()));
        }
    }
    for (file, content) in &image.files {
        if content.newest() == 0 {
            continue;
        }
        let lengths = distinct(content.newest(), |version| content.versions[version].len());
        if lengths.len() > 1 {
            choices.push(Choice::Length(*file, lengths));
        }
        for number in 0..content.sectors() {
            let versions = distinct(content.newest(), |version| content.sector(version, number));
            if versions.len() > 1 {
                choices.push(Choice::Sector(*file, number, versions));
            }
        }
    }
    choices
}

/// The states to try once `last` was the last change before the power was lost.
pub(super) fn survivals(
    image: &Image,
    last: Option<&Event>,
    effort: Effort,
    dice: &mut Dice,
) -> Vec<Survival> {
    let choices = choices(image);
    let all = choices
        .iter()
        .try_fold(1usize, |all, choice| all.checked_mul(choice.count()));
    let mut found = Found {
        image,
        choices: &choices,
        picks: BTreeSet::new(),
    };
    match all {
        Some(all) if all <= effort.exhaustive => found.everything(all),
        _ => {
            found.extremes();
            if effort.each {
                found.each_name();
                found.each_file();
                found.each_version();
            }
            if let Some(Event::Write { file, .. }) = last {
                found.torn(*file, effort.each);
            }
            for _ in 0..effort.random {
                found.random(dice);
            }
        }
    }
    let picks = std::mem::take(&mut found.picks);
    picks.iter().map(|picks| found.survival(picks)).collect()
}

/// States as the option that was picked of each choice.
struct Found<'a> {
    image: &'a Image,
    choices: &'a [Choice],
    picks: BTreeSet<Vec<usize>>,
}

impl Found<'_> {
    fn pick(&mut self, pick: impl FnMut(&Choice) -> usize) {
        self.picks.insert(self.choices.iter().map(pick).collect());
    }

    fn everything(&mut self, all: usize) {
        for number in 0..all {
            let mut rest = number;
            self.pick(|choice| {
                let picked = rest % choice.count();
                rest /= choice.count();
                picked
            });
        }
    }

    /// All or nothing of the names, of the lengths and of the content.
    fn extremes(&mut self) {
        for which in 0..8 {
            self.pick(|choice| {
                let survives = match choice {
                    Choice::Names(..) => which & 1,
                    Choice::Length(..) => which & 2,
                    Choice::Sector(..) => which & 4,
                };
                if survives == 0 { 0 } else { choice.count() - 1 }
            });
        }
    }

    /// Names up to each point in time, and of each directory alone, with all content and with none.
    fn each_name(&mut self) {
        let times: BTreeSet<usize> = self
            .image
            .directories
            .values()
            .flat_map(|names| names.times.iter().copied())
            .collect();
        for content in [false, true] {
            let whole = |choice: &Choice| if content { choice.count() - 1 } else { 0 };
            for time in &times {
                let image = self.image;
                self.pick(|choice| match choice {
                    Choice::Names(directory, _) => image.directories[directory]
                        .times
                        .partition_point(|at| at <= time),
                    other => whole(other),
                });
            }
            for (number, choice) in self.choices.iter().enumerate() {
                if let Choice::Names(_, changes) = choice {
                    for cut in 0..=*changes {
                        let mut at = 0;
                        self.pick(|choice| {
                            at += 1;
                            match choice {
                                Choice::Names(..) if at - 1 == number => cut,
                                Choice::Names(_, all) => *all,
                                other => whole(other),
                            }
                        });
                    }
                }
            }
        }
    }

    /// Each file alone survives, or does not, or is zeros.
    fn each_file(&mut self) {
        let files: BTreeSet<Inode> = self.choices.iter().filter_map(Choice::file).collect();
        for file in files {
            for (this, others) in [(true, false), (false, true)] {
                self.pick(|choice| match choice.file() {
                    Some(other) if (other == file && !this) || (other != file && !others) => 0,
                    _ => choice.count() - 1,
                });
            }
            self.pick(|choice| match choice {
                Choice::Sector(zeros, ..) if *zeros == file => 0,
                other => other.count() - 1,
            });
        }
    }

    /// Each version of each file, the others as they are.
    fn each_version(&mut self) {
        let files: BTreeSet<Inode> = self.choices.iter().filter_map(Choice::file).collect();
        for file in files {
            for version in 1..self.image.files[&file].newest() {
                self.pick(|choice| match choice {
                    Choice::Length(other, versions) | Choice::Sector(other, _, versions)
                        if *other == file =>
                    {
                        versions.partition_point(|at| *at <= version) - 1
                    }
                    other => other.count() - 1,
                });
            }
        }
    }

    /// The last write of `file` stopped before each sector, from either side; with its length and without.
    fn torn(&mut self, file: Inode, each: bool) {
        let content = &self.image.files[&file];
        let before = content.newest().saturating_sub(1);
        let step = if each { 1 } else { PAGE / SECTOR };
        for torn in (0..=content.sectors()).step_by(step) {
            for (ascending, with_length) in
                [(true, true), (true, false), (false, true), (false, false)]
            {
                self.pick(|choice| match choice {
                    Choice::Sector(other, number, versions)
                        if *other == file && (*number >= torn) == ascending =>
                    {
                        versions.partition_point(|at| *at <= before) - 1
                    }
                    Choice::Length(other, versions) if *other == file && !with_length => {
                        versions.partition_point(|at| *at <= before) - 1
                    }
                    other => other.count() - 1,
                });
            }
        }
    }

    /// Any state; all sectors of a page alike, or mostly what is newest, or neither.
    fn random(&mut self, dice: &mut Dice) {
        let kind = dice.below(3);
        let mut page = None;
        let mut version = 0;
        self.pick(|choice| match choice {
            Choice::Sector(file, number, versions) if kind == 0 => {
                let this = (*file, number * SECTOR / PAGE);
                if page.replace(this) != Some(this) {
                    version = dice.below(usize::MAX) % (versions[versions.len() - 1] + 1);
                }
                versions.partition_point(|at| *at <= version).max(1) - 1
            }
            other if kind == 1 && dice.below(4) > 0 => other.count() - 1,
            other => dice.below(other.count()),
        });
    }

    fn survival(&self, picks: &[usize]) -> Survival {
        let mut survival = Survival::default();
        for (choice, picked) in self.choices.iter().zip(picks) {
            match choice {
                Choice::Names(directory, _) => {
                    survival.names.insert(*directory, *picked);
                }
                Choice::Length(file, versions) => {
                    survival.lengths.insert(*file, versions[*picked]);
                }
                Choice::Sector(file, number, versions) => {
                    survival.sectors.insert((*file, *number), versions[*picked]);
                }
            }
        }
        survival
    }
}
