//! The least that a broker can do: `floor PORT DIRECTORY`.
//!
//! It takes produce requests, checks the CRC-32C of each batch, gives it its offset, writes it to the partition's file
//! and answers; it answers fetches with bytes of that file, which the kernel moves. Each topic has one partition and
//! exists as soon as it is named. One thread per connection, one request at a time. Whatever a real broker does beyond
//! this is what it can be compared by.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// Key, lowest and highest version. None of them is flexible, which keeps this file small.
const SERVED: [(i16, i16, i16); 5] = [(0, 3, 7), (1, 4, 4), (3, 4, 4), (18, 0, 3), (22, 0, 1)];
const LARGEST_REQUEST: usize = 100 << 20;

extern "C" {
    /// Linux's system call; the standard library copies through a buffer instead.
    fn sendfile(to: i32, from: i32, position: *mut i64, count: usize) -> isize;
}

fn send_file(stream: &TcpStream, file: &File, position: u64, length: u64) -> io::Result<()> {
    let (mut at, end) = (position as i64, (position + length) as i64);
    while at < end {
        // SAFETY: both descriptors are open, and `at` outlives the call, which moves it on.
        match unsafe { sendfile(stream.as_raw_fd(), file.as_raw_fd(), &mut at, (end - at) as usize) } {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count if count < 0 => return Err(io::Error::last_os_error()),
            _ => {}
        }
    }
    Ok(())
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a request that this program does not understand")
}

// Checksums --------------------------------------------------------------------------------------------------

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse4.2")]
fn crc32c_by_instruction(data: &[u8]) -> u32 {
    use std::arch::x86_64::{_mm_crc32_u64, _mm_crc32_u8};
    let words = data.chunks_exact(8);
    let rest = words.remainder();
    let wide = words.fold(u64::from(u32::MAX), |crc, word| _mm_crc32_u64(crc, u64::from_le_bytes(word.try_into().unwrap())));
    !rest.iter().fold(wide as u32, |crc, &byte| _mm_crc32_u8(crc, byte))
}

const fn castagnoli() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = crc >> 1 ^ if crc & 1 == 1 { 0x82F6_3B78 } else { 0 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

fn crc32c(data: &[u8]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("sse4.2") {
        // SAFETY: the processor has just been asked.
        return unsafe { crc32c_by_instruction(data) };
    }
    static TABLE: [u32; 256] = castagnoli();
    !data.iter().fold(u32::MAX, |crc, &byte| TABLE[((crc ^ u32::from(byte)) & 255) as usize] ^ crc >> 8)
}

// Topics -----------------------------------------------------------------------------------------------------

struct Partition {
    file: File,
    state: Mutex<State>,
    grown: Condvar,
}

#[derive(Default)]
struct State {
    next_offset: i64,
    size: u64,
    /// The last offset of each batch, and where in the file the batch begins.
    batches: Vec<(i64, u64)>,
}

struct Topics {
    directory: PathBuf,
    by_name: Mutex<HashMap<String, Arc<Partition>>>,
}

impl Topics {
    fn partition(&self, name: &str) -> io::Result<Arc<Partition>> {
        let mut topics = self.by_name.lock().unwrap();
        if let Some(partition) = topics.get(name) {
            return Ok(partition.clone());
        }
        let path = self.directory.join(format!("{}.log", topics.len()));
        let file = OpenOptions::new().create(true).truncate(true).read(true).write(true).open(path)?;
        let partition = Arc::new(Partition { file, state: Mutex::default(), grown: Condvar::new() });
        topics.insert(name.to_owned(), partition.clone());
        Ok(partition)
    }
}

impl Partition {
    /// Checks and writes batches; returns the offset of the first record.
    fn append(&self, batches: &mut [u8]) -> io::Result<i64> {
        let mut at = 0;
        while at < batches.len() {
            let batch = &batches[at..];
            if batch.len() < 61 {
                return Err(malformed());
            }
            let length = 12 + u32::from_be_bytes(batch[8..12].try_into().unwrap()) as usize;
            if length < 61 || length > batch.len() || u32::from_be_bytes(batch[17..21].try_into().unwrap()) != crc32c(&batch[21..length]) {
                return Err(malformed());
            }
            at += length;
        }
        let mut state = self.state.lock().unwrap();
        let first = state.next_offset;
        let mut at = 0;
        while at < batches.len() {
            let batch = &mut batches[at..];
            batch[..8].copy_from_slice(&state.next_offset.to_be_bytes());
            let last = state.next_offset + i64::from(i32::from_be_bytes(batch[23..27].try_into().unwrap()));
            let position = state.size + at as u64;
            state.batches.push((last, position));
            state.next_offset = last + 1;
            at += 12 + u32::from_be_bytes(batch[8..12].try_into().unwrap()) as usize;
        }
        self.file.write_all_at(batches, state.size)?;
        state.size += batches.len() as u64;
        self.grown.notify_all();
        Ok(first)
    }

    /// Where the batches from `offset` on are in the file, as position and length, and the end offset.
    /// Whole batches, about `limit` bytes, at least one when there is any before the deadline.
    fn find(&self, offset: i64, limit: u64, deadline: Instant) -> (u64, u64, i64) {
        let mut state = self.state.lock().unwrap();
        while state.next_offset <= offset {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return (0, 0, state.next_offset);
            }
            state = self.grown.wait_timeout(state, left).unwrap().0;
        }
        let first = state.batches.partition_point(|&(last, _)| last < offset);
        let begin = state.batches[first].1;
        let end = if state.size - begin <= limit {
            state.size
        } else {
            let beyond = state.batches.partition_point(|&(_, position)| position <= begin + limit);
            state.batches.get((beyond - 1).max(first + 1)).map_or(state.size, |&(_, position)| position)
        };
        (begin, end - begin, state.next_offset)
    }
}

// The protocol -----------------------------------------------------------------------------------------------

struct Request<'a> {
    left: &'a mut [u8],
}

impl<'a> Request<'a> {
    fn bytes(&mut self, count: usize) -> io::Result<&'a mut [u8]> {
        if count > self.left.len() {
            return Err(malformed());
        }
        let (taken, left) = std::mem::take(&mut self.left).split_at_mut(count);
        self.left = left;
        Ok(taken)
    }
    fn number<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        Ok((&*self.bytes(N)?).try_into().unwrap())
    }
    fn int16(&mut self) -> io::Result<i16> {
        self.number().map(i16::from_be_bytes)
    }
    fn int32(&mut self) -> io::Result<i32> {
        self.number().map(i32::from_be_bytes)
    }
    /// A string, empty when it is null.
    fn string(&mut self) -> io::Result<&'a str> {
        let length = self.int16()?.max(0) as usize;
        std::str::from_utf8(self.bytes(length)?).map_err(|_| malformed())
    }
}

#[derive(Default)]
struct Answer(Vec<u8>);

impl Answer {
    fn int16(&mut self, value: i16) -> &mut Self {
        self.0.extend(value.to_be_bytes());
        self
    }
    fn int32(&mut self, value: i32) -> &mut Self {
        self.0.extend(value.to_be_bytes());
        self
    }
    fn int64(&mut self, value: i64) -> &mut Self {
        self.0.extend(value.to_be_bytes());
        self
    }
    fn string(&mut self, text: &str) -> &mut Self {
        self.int16(text.len() as i16).0.extend(text.as_bytes());
        self
    }
}

struct Connection {
    stream: TcpStream,
    topics: Arc<Topics>,
}

impl Connection {
    fn serve(&mut self) -> io::Result<()> {
        let mut buffer = Vec::new();
        loop {
            let mut length = [0; 4];
            self.stream.read_exact(&mut length)?;
            let length = u32::from_be_bytes(length) as usize;
            if length > LARGEST_REQUEST {
                return Err(malformed());
            }
            if buffer.len() < length {
                buffer.resize(length, 0);
            }
            self.stream.read_exact(&mut buffer[..length])?;
            let mut request = Request { left: &mut buffer[..length] };
            let (key, version, correlation) = (request.int16()?, request.int16()?, request.int32()?);
            request.string()?; // the client's name
            let mut answer = Answer::default();
            answer.int32(0).int32(correlation); // the length is put in when it is known
            match key {
                0 => {
                    if !self.produce(version, &mut request, &mut answer)? {
                        continue; // acks=0 wants no answer
                    }
                }
                1 => {
                    self.fetch(&mut request, answer)?;
                    continue;
                }
                3 => self.metadata(&mut request, &mut answer)?,
                18 => api_versions(version, &mut answer),
                22 => drop(answer.int32(0).int16(0).int64(4000).int16(0)),
                _ => return Err(malformed()),
            }
            self.send(answer, 0)?;
        }
    }

    /// Sends the answer, to which `following` bytes will be added.
    fn send(&mut self, mut answer: Answer, following: u64) -> io::Result<()> {
        let length = answer.0.len() as u64 - 4 + following;
        answer.0[..4].copy_from_slice(&(length as u32).to_be_bytes());
        self.stream.write_all(&answer.0)
    }

    fn produce(&mut self, version: i16, request: &mut Request, answer: &mut Answer) -> io::Result<bool> {
        if !(3..=7).contains(&version) {
            return Err(malformed());
        }
        request.string()?; // the transactional id
        let acks = request.int16()?;
        request.int32()?;
        let topics = request.int32()?;
        answer.int32(topics);
        for _ in 0..topics {
            let name = request.string()?;
            let partitions = request.int32()?;
            answer.string(name).int32(partitions);
            for _ in 0..partitions {
                let index = request.int32()?;
                let length = request.int32()?.max(0) as usize;
                let first = self.topics.partition(name)?.append(request.bytes(length)?)?;
                answer.int32(index).int16(0).int64(first).int64(-1);
                if version >= 5 {
                    answer.int64(0);
                }
            }
        }
        answer.int32(0);
        Ok(acks != 0)
    }

    /// One topic with one partition, since there is only one file that the kernel can send behind the answer.
    fn fetch(&mut self, request: &mut Request, mut answer: Answer) -> io::Result<()> {
        request.int32()?;
        let patience = Duration::from_millis(request.int32()?.max(0) as u64);
        request.bytes(4 + 4 + 1)?;
        answer.int32(0);
        let topics = request.int32()?;
        if topics == 0 {
            answer.int32(0);
            return self.send(answer, 0);
        }
        let name = request.string()?;
        if topics != 1 || request.int32()? != 1 {
            return Err(malformed());
        }
        let index = request.int32()?;
        let offset = i64::from_be_bytes(request.number()?);
        let limit = request.int32()?.max(0) as u64;
        let partition = self.topics.partition(name)?;
        let (position, length, end) = partition.find(offset, limit, Instant::now() + patience);
        answer.int32(1).string(name).int32(1).int32(index).int16(0).int64(end).int64(end).int32(-1).int32(length as i32);
        self.send(answer, length)?;
        send_file(&self.stream, &partition.file, position, length)
    }

    fn metadata(&mut self, request: &mut Request, answer: &mut Answer) -> io::Result<()> {
        let address = self.stream.local_addr()?;
        answer.int32(0).int32(1).int32(1).string("127.0.0.1").int32(i32::from(address.port())).int16(-1);
        let topics = request.int32()?.max(0);
        answer.string("floor").int32(1).int32(topics);
        for _ in 0..topics {
            let name = request.string()?;
            self.topics.partition(name)?;
            answer.int16(0).string(name).0.push(0);
            // One partition, whose leader, replicas and in-sync replicas are node 1.
            answer.int32(1).int16(0).int32(0).int32(1).int32(1).int32(1).int32(1).int32(1);
        }
        Ok(())
    }
}

fn api_versions(version: i16, answer: &mut Answer) {
    if version > 3 {
        answer.int16(35).int32(1).int16(18).int16(0).int16(3); // unsupported: the client asks again with 3
        return;
    }
    answer.int16(0);
    if version == 3 {
        answer.0.push(SERVED.len() as u8 + 1);
    } else {
        answer.int32(SERVED.len() as i32);
    }
    for (key, lowest, highest) in SERVED {
        answer.int16(key).int16(lowest).int16(highest);
        if version == 3 {
            answer.0.push(0);
        }
    }
    if version >= 1 {
        answer.int32(0);
    }
    if version == 3 {
        answer.0.push(0);
    }
}

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(port), Some(directory)) = (arguments.next().and_then(|port| port.parse().ok()), arguments.next()) else {
        eprintln!("usage: floor PORT DIRECTORY");
        std::process::exit(2);
    };
    let topics = Arc::new(Topics { directory: directory.into(), by_name: Mutex::default() });
    for stream in TcpListener::bind((Ipv4Addr::LOCALHOST, port))?.incoming() {
        let stream = stream?;
        stream.set_nodelay(true)?;
        let mut connection = Connection { stream, topics: topics.clone() };
        std::thread::spawn(move || match connection.serve() {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => eprintln!(" ERROR {error}"),
            _ => {} // the client has gone
        });
    }
    Ok(())
}
