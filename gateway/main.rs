//! The `batchgate` program: everything is in the library, this only ends the process.

use std::process::ExitCode;

/// A batch is many small allocations that live and die together, often on different threads; there
/// mimalloc takes 10 to 25 % less CPU per item than the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    batchgate::cli::main()
}
