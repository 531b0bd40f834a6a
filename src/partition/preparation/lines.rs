//! The appends that wait for preparation, and the order in which they are taken. Has no threads and no clock.
//!
//! ```text
//!   line (partition 7, connection a):  recompress, pass, check          one after another
//!   line (partition 7, connection b):  check                            not behind a's
//!   line (partition 9, connection a):  recompress, recompress           in turn with a's other line
//!
//!   checks:                       address -> connection -> lines whose first step is a check
//!   recompressions:  directory -> address -> connection -> lines whose first step is a recompression
//! ```
//! For each kind of work, the next step belongs to the address that was served least lately. Of its connections, it
//! belongs to the one that was served least, and of that one's lines to the one that has waited longest ([`Shares`]).
//! A line whose step was taken waits until that step has been handed on.
//!
//! The result of a recompression needs memory until its lane has written it. Each directory has [`ROOM`] for this: if
//! there is not enough, the next step waits for it, and steps of other directories do not.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use crate::base::DirectoryId;

use super::shares::Shares;
use super::source::{Address, Source};

/// The maximum number of bytes of results that wait for the lanes of one directory; a single result may be larger.
pub(super) const ROOM: usize = 16 * 1024 * 1024;

/// The appends of one source to one partition, which keep their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct LineId {
    pub(super) partition: u64,
    pub(super) source: Source,
}

/// The kind of workers that does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Check,
    Recompress,
}

/// Memory for the result of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Need {
    pub(super) directory: DirectoryId,
    pub(super) bytes: usize,
}

/// The kind of work of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// None: it only keeps its place.
    Pass,
    Check,
    Recompress(Need),
}

impl Work {
    pub(super) const fn kind(self) -> Option<Kind> {
        match self {
            Self::Pass => None,
            Self::Check => Some(Kind::Check),
            Self::Recompress(_) => Some(Kind::Recompress),
        }
    }

    const fn need(self) -> Option<Need> {
        match self {
            Self::Recompress(need) => Some(need),
            Self::Pass | Self::Check => None,
        }
    }
}

/// A step that a worker has taken.
#[derive(Debug)]
pub(super) struct Taken<T> {
    pub(super) line: LineId,
    pub(super) step: T,
    /// The memory that was reserved for it; to be given back.
    pub(super) need: Option<Need>,
}

/// What a line does after its step has been handed on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<T> {
    /// These are to be handed on as they are; then call this again.
    Pass(Vec<T>),
    /// It waits for a worker of this kind.
    Waits(Kind),
    /// The line is empty.
    Ends,
}

/// Steps `T` in their lines.
#[derive(Debug)]
pub(super) struct Lines<T> {
    lines: BTreeMap<LineId, VecDeque<(Work, T)>>,
    checks: Waiting,
    recompressions: BTreeMap<DirectoryId, Directory>,
    /// How many recompressions were started.
    begun: u64,
}

/// The recompressions for one directory.
#[derive(Debug, Default)]
struct Directory {
    waiting: Waiting,
    /// The memory that their results have or will have.
    needed: usize,
    under_way: usize,
    /// The number of the one that was started last.
    last: u64,
}

impl Directory {
    const fn has_room(&self, bytes: usize) -> bool {
        self.needed == 0 || self.needed.saturating_add(bytes) <= ROOM
    }
}

impl<T> Default for Lines<T> {
    fn default() -> Self {
        Self {
            lines: BTreeMap::new(),
            checks: Waiting::default(),
            recompressions: BTreeMap::new(),
            begun: 0,
        }
    }
}

impl<T> Lines<T> {
    pub(super) fn has(&self, line: LineId) -> bool {
        self.lines.contains_key(&line)
    }

    /// All lines of a partition.
    pub(super) fn of_partition(&self, partition: u64) -> Vec<LineId> {
        let least = LineId {
            partition,
            source: Source::LEAST,
        };
        let lines = self.lines.range(least..).map(|(line, _)| *line);
        lines
            .take_while(|line| line.partition == partition)
            .collect()
    }

    /// Adds a step at the end of a line. For a step that only passes, the line must exist.
    pub(super) fn push(&mut self, line: LineId, work: Work, step: T) {
        if let Some(steps) = self.lines.get_mut(&line) {
            steps.push_back((work, step));
        } else {
            self.lines.insert(line, VecDeque::from([(work, step)]));
            self.wait(line, work);
        }
    }

    /// The next step for a worker of this kind. Its line waits for [`Self::end`] and [`Self::go_on`].
    pub(super) fn take(&mut self, kind: Kind) -> Option<Taken<T>> {
        match kind {
            Kind::Check => {
                let line = self.checks.begin()?;
                self.take_first(line)
            }
            Kind::Recompress => self.take_recompression(),
        }
    }

    fn take_recompression(&mut self) -> Option<Taken<T>> {
        let (lines, directories) = (&self.lines, self.recompressions.values_mut());
        let fits = |directory: &&mut Directory| {
            let need = directory
                .waiting
                .first()
                .and_then(|line| lines.get(&line)?.front()?.0.need());
            need.is_some_and(|need| directory.has_room(need.bytes))
        };
        let next = directories
            .filter(fits)
            .min_by_key(|directory| (directory.under_way, directory.last))?;
        let line = next.waiting.begin()?;
        self.begun += 1;
        (next.last, next.under_way) = (self.begun, next.under_way + 1);
        let taken = self.take_first(line)?;
        if let Some(need) = taken.need {
            self.recompressions
                .entry(need.directory)
                .or_default()
                .needed += need.bytes;
        }
        Some(taken)
    }

    /// Removes the steps behind the one that was taken from this line: nobody wants them any more. The line continues
    /// with later steps, after [`Self::end`] and [`Self::go_on`].
    pub(super) fn abandon(&mut self, line: LineId) -> Vec<T> {
        let steps = self.lines.get_mut(&line).map(std::mem::take);
        let steps = steps.into_iter().flatten();
        steps.map(|(_, step)| step).collect()
    }

    fn take_first(&mut self, line: LineId) -> Option<Taken<T>> {
        let (work, step) = self.lines.get_mut(&line)?.pop_front()?;
        let need = work.need();
        Some(Taken { line, step, need })
    }

    /// Reports the cost of the step that was taken from this line, with this need.
    pub(super) fn end(&mut self, line: LineId, need: Option<Need>, spent: Duration) {
        let Some(need) = need else {
            return self.checks.end(line.source, spent);
        };
        let directory = self.recompressions.entry(need.directory).or_default();
        directory.under_way = directory.under_way.saturating_sub(1);
        directory.waiting.end(line.source, spent);
    }

    /// The steps that were taken have been handed on. Returns what the line does next.
    pub(super) fn go_on(&mut self, line: LineId) -> Next<T> {
        let Some(steps) = self.lines.get_mut(&line) else {
            return Next::Ends;
        };
        let mut passing = Vec::new();
        while let Some((Work::Pass, _)) = steps.front() {
            passing.extend(steps.pop_front().map(|(_, step)| step));
        }
        if !passing.is_empty() {
            return Next::Pass(passing);
        }
        let Some((work, kind)) = steps
            .front()
            .and_then(|(work, _)| Some((*work, work.kind()?)))
        else {
            self.lines.remove(&line);
            return Next::Ends;
        };
        self.wait(line, work);
        Next::Waits(kind)
    }

    /// Gives back reserved memory. Returns whether a line may have waited for it.
    pub(super) fn give_back(&mut self, need: Need) -> bool {
        let directory = self.recompressions.entry(need.directory).or_default();
        directory.needed = directory.needed.saturating_sub(need.bytes);
        directory.waiting.first().is_some()
    }

    /// Takes everything that no worker has taken.
    pub(super) fn take_all(&mut self) -> Vec<T> {
        let lines = std::mem::take(&mut self.lines);
        self.checks = Waiting::default();
        self.recompressions.clear();
        lines
            .into_values()
            .flatten()
            .map(|(_, step)| step)
            .collect()
    }

    fn wait(&mut self, line: LineId, work: Work) {
        match work {
            Work::Pass => {}
            Work::Check => self.checks.push(line),
            Work::Recompress(need) => {
                let directory = self.recompressions.entry(need.directory).or_default();
                directory.waiting.push(line);
            }
        }
    }
}

/// Lines that wait for workers of one kind.
#[derive(Debug, Default)]
struct Waiting {
    addresses: Shares<Address>,
    connections: HashMap<Address, Shares<Source>>,
    lines: HashMap<Source, VecDeque<LineId>>,
}

impl Waiting {
    fn push(&mut self, line: LineId) {
        let (source, address) = (line.source, line.source.address());
        self.lines.entry(source).or_default().push_back(line);
        self.connections.entry(address).or_default().wait(source);
        self.addresses.wait(address);
    }

    /// Whose turn it is.
    fn first(&self) -> Option<LineId> {
        let connections = self.connections.get(&self.addresses.first()?)?;
        self.lines.get(&connections.first()?)?.front().copied()
    }

    /// Begins the next turn.
    fn begin(&mut self) -> Option<LineId> {
        let line = self.first()?;
        let (source, address) = (line.source, line.source.address());
        let lines = self.lines.get_mut(&source)?;
        let connections = self.connections.get_mut(&address)?;
        connections.begin(source);
        self.addresses.begin(address);
        lines.pop_front();
        if lines.is_empty() {
            self.lines.remove(&source);
            connections.leave(source);
            if connections.first().is_none() {
                self.addresses.leave(address);
            }
        }
        Some(line)
    }

    fn end(&mut self, source: Source, spent: Duration) {
        let address = source.address();
        self.connections
            .entry(address)
            .or_default()
            .end(source, spent);
        self.addresses.end(address, spent);
        if self.connections.get(&address).is_some_and(Shares::is_empty) {
            self.connections.remove(&address);
        }
    }
}
