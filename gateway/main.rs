//! The `batchgate` program: everything is in the library, this only ends the process.

fn main() {}
