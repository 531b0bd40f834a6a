//! How much memory this process may use: what the machine has, or less where a control group says so.

use std::path::Path;

/// Where the system shows its control groups: of version 2, and of version 1.
const UNIFIED: (&str, &str) = ("/sys/fs/cgroup", "memory.max");
const MEMORY_CONTROLLER: (&str, &str) = ("/sys/fs/cgroup/memory", "memory.limit_in_bytes");

/// Bytes of memory that this process may use.
pub(super) fn available_memory() -> u64 {
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limits = [UNIFIED, MEMORY_CONTROLLER].into_iter();
    limits
        .filter_map(|(root, file)| limit(Path::new(root), file, &groups))
        .fold(physical(), u64::min)
}

#[cfg(target_os = "linux")]
#[allow(
    clippy::useless_conversion,
    reason = "of 64 bits on some machines only"
)]
fn physical() -> u64 {
    let system = rustix::system::sysinfo();
    u64::from(system.totalram).saturating_mul(u64::from(system.mem_unit))
}

#[cfg(not(target_os = "linux"))]
fn physical() -> u64 {
    u64::MAX
}

/// The lowest limit of the groups that `groups` (the text of `/proc/self/cgroup`) names, of those above
/// them, and of `root`: in a container only that one may be visible.
fn limit(root: &Path, file: &str, groups: &str) -> Option<u64> {
    let paths = groups.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    let groups = paths.map(|path| Path::new(path.trim_start_matches('/')));
    groups
        .chain([Path::new("")])
        .flat_map(Path::ancestors)
        .filter_map(|group| {
            let text = std::fs::read_to_string(root.join(group).join(file)).ok()?;
            // Without a limit it says "max", or (version 1) a number near the largest.
            text.trim().parse().ok()
        })
        .min()
}

#[cfg(test)]
mod tests {
    use super::{available_memory, limit};
    use std::fs::{create_dir_all, write};

    #[test]
    fn the_lowest_limit_on_the_way_up_counts() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let own = root.join("system.slice/zurau.service");
        create_dir_all(&own).unwrap();
        let groups = "0::/system.slice/zurau.service\n";
        assert_eq!(limit(root, "memory.max", groups), None);
        write(own.join("memory.max"), "max\n").unwrap();
        assert_eq!(limit(root, "memory.max", groups), None);
        write(root.join("system.slice/memory.max"), "536870912\n").unwrap();
        assert_eq!(limit(root, "memory.max", groups), Some(512 << 20));
        write(own.join("memory.max"), "1073741824\n").unwrap();
        assert_eq!(limit(root, "memory.max", groups), Some(512 << 20));
    }

    #[test]
    fn a_container_sees_its_limit_at_the_root() {
        let root = tempfile::tempdir().unwrap();
        write(root.path().join("memory.limit_in_bytes"), "1000000\n").unwrap();
        let groups = "3:memory:/docker/0123\n2:cpu,cpuacct:/docker/0123\n";
        let found = limit(root.path(), "memory.limit_in_bytes", groups);
        assert_eq!(found, Some(1_000_000));
    }

    #[test]
    fn this_machine_has_some() {
        assert!(available_memory() > 1 << 24);
    }
}
