//! What a panic means: for a request's task, the end of its connection; for a thread that owns logs or
//! metadata, the end of the process.

use std::panic;
use std::process;
use std::thread;

/// Beginnings of the names of threads that nothing works without.
const VITAL: [&str; 4] = [
    "storage-",
    "controller",
    "metadata-publisher",
    "housekeeping",
];

/// From now on a panic in a vital thread ends the process at once, after `flush` has had the log written.
/// Without such a thread appends or changes would wait for ever, or be refused by a broker that looks
/// healthy; and its logs would be taken for cleanly closed. A crash is what recovery is made for.
pub(super) fn end_the_process_with_vital_threads(flush: impl Fn() + Send + Sync + 'static) {
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |about| {
        report(about);
        let thread = thread::current();
        let name = thread.name().unwrap_or_default();
        if VITAL.iter().any(|vital| name.starts_with(vital)) {
            tracing::error!(
                thread = name,
                reason = %about,
                "a thread that the broker cannot do without has panicked: ending the process"
            );
            flush();
            abort();
        }
    }));
}

#[expect(
    clippy::disallowed_methods,
    reason = "destructors would write what a panic has left half done"
)]
fn abort() -> ! {
    process::abort()
}
