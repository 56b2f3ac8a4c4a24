//! flate2's zlib-ng backend wants `libz-ng-sys`, whose build script needs cmake. zlib itself has the
//! same interface and builds with a C compiler alone, so it stands in (`[patch.crates-io]`).
pub use libz_sys::*;
