//! Reading files without trusting what is under their names.
//!
//! People restore, link and mount things in log directories. In the place of a file there may be a FIFO, which blocks
//! whoever opens it, a device without an end, or a file of a terabyte that the broker has not written.

use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

/// Large enough for files of a few lines.
const SMALL: usize = 1024;

/// Opens a regular file for reading; a symbolic link to one is followed, as Kafka follows it.
///
/// # Errors
/// Of the kind [`io::ErrorKind::InvalidData`] if it is something else; the error says what.
pub fn open(path: &Path) -> io::Result<File> {
    // non-blocking, since opening a FIFO without a writer would wait
    let flags = OFlags::NONBLOCK.union(OFlags::NOCTTY).bits();
    let mut options = File::options();
    opened(path, options.read(true).custom_flags(flags.cast_signed()))
}

/// Opens a regular file as the options say, which must not wait.
pub(super) fn opened(path: &Path, options: &OpenOptions) -> io::Result<File> {
    match options.open(path) {
        Ok(file) => check(&file.metadata()?).map(|()| file),
        // some things cannot even be opened
        Err(error) => match std::fs::metadata(path) {
            Ok(found) => Err(check(&found).err().unwrap_or(error)),
            Err(_) => Err(error),
        },
    }
}

/// All of a regular file that has at most `most` bytes.
///
/// # Errors
/// As [`open`], also for a file that is longer.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut file = open(path)?;
    // a short read is the end of the file: this saves a call per file at a start with many partitions
    let mut content = vec![0; SMALL];
    let length = file.read(&mut content)?;
    content.truncate(length);
    if length == SMALL {
        let most_left = most.saturating_add(1).saturating_sub(length as u64);
        file.take(most_left).read_to_end(&mut content)?;
    }
    if content.len() as u64 > most {
        return Err(invalid(format!("it has more than {most} bytes")));
    }
    Ok(content)
}

/// Refuses what is not a regular file.
///
/// # Errors
/// As [`open`].
pub fn check(found: &Metadata) -> io::Result<()> {
    if found.is_file() {
        return Ok(());
    }
    let kind = kind_of(found.file_type());
    Err(invalid(format!("it is {kind} and not a file")))
}

/// The kind of something that is not a regular file.
pub fn kind_of(found: FileType) -> &'static str {
    match found {
        _ if found.is_dir() => "a directory",
        _ if found.is_fifo() => "a FIFO",
        _ if found.is_socket() => "a socket",
        _ if found.is_symlink() => "a symbolic link",
        _ => "a device",
    }
}

fn invalid(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(path: &Path) -> String {
        let error = read(path, 10).expect_err("a refusal");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
        error.to_string()
    }

    #[test]
    fn only_files_are_read_and_none_is_waited_for() {
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name);
        std::fs::write(path("file"), "0123456789").unwrap();
        std::os::unix::fs::symlink("file", path("link")).unwrap();
        for name in ["file", "link"] {
            assert_eq!(read(&path(name), 10).unwrap(), b"0123456789");
        }
        assert_eq!(
            open(&path("none")).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );

        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        let made = rustix::fs::mknodat(
            rustix::fs::CWD,
            path("fifo"),
            rustix::fs::FileType::Fifo,
            mode,
            0,
        );
        made.unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", path("device")).unwrap();
        for (name, kind) in [
            ("fifo", "a FIFO"),
            ("socket", "a socket"),
            ("device", "a device"),
            ("", "a directory"),
        ] {
            assert_eq!(refusal(&path(name)), format!("it is {kind} and not a file"));
        }
    }

    #[test]
    fn no_more_is_read_than_was_asked_for() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("sparse");
        let file = File::create(&path).unwrap();
        file.set_len(1 << 40).unwrap();
        assert_eq!(refusal(&path), "it has more than 10 bytes");
    }
}
