//! Which features the file system under a directory has.

use std::fs::File;
use std::io;

/// File systems that write everything out on `syncfs(2)` and report the errors. For others it is not known; a file
/// system in user space, for example, is not even called.
const KNOWN: [u32; 5] = [
    0x0000_ef53, // ext2, ext3, ext4
    0x5846_5342, // XFS
    0x9123_683e, // Btrfs
    0xf2f5_2010, // F2FS
    0x0102_1994, // tmpfs
];

/// The first Linux whose `syncfs(2)` returns such an error.
const FIRST_KERNEL: (u32, u32) = (5, 8);

/// Whether a successful `syncfs(2)` means that everything in the file system of `file` is on disk, except for
/// failures that were reported before `file` was opened.
pub(super) fn can_be_synced_whole(file: &File) -> io::Result<bool> {
    let kernel = rustix::system::uname();
    let kernel = version(&kernel.release().to_string_lossy());
    let kind = rustix::fs::fstatfs(file)?.f_type;
    // a signed number on some machines, and never more than 32 bits of it
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "see above"
    )]
    let kind = kind as u32;
    Ok(kernel >= Some(FIRST_KERNEL) && KNOWN.contains(&kind))
}

/// The first two numbers of a kernel's release.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    let mut next = || numbers.next()?.parse().ok();
    Some((next()?, next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_compared_by_number() {
        assert_eq!(version("5.10.0-21-amd64"), Some((5, 10)));
        assert!(version("5.10.0") > Some(FIRST_KERNEL));
        assert!(version("5.4.0-generic") < Some(FIRST_KERNEL));
        assert!(version("6.1-rc3") > Some(FIRST_KERNEL));
        assert!(version("unknown") < Some(FIRST_KERNEL));
    }
}
