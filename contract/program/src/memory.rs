//! `memcpy` and `memset`, which the compiler calls and the bare `bpfel-unknown-none` target lacks.
//!
//! `cargo build-sbf` brings its own; its architecture is `sbf`, and this module stays out of that build.

use pinocchio::syscalls::{sol_memcpy_, sol_memset_};

/// # Safety
/// As C's: `count` bytes must be readable at `source` and writable at `target`, and the two must not overlap.
#[no_mangle]
unsafe extern "C" fn memcpy(target: *mut u8, source: *const u8, count: usize) -> *mut u8 {
    sol_memcpy_(target, source, count as u64);
    target
}

/// # Safety
/// As C's: `count` bytes must be writable at `target`.
#[no_mangle]
unsafe extern "C" fn memset(target: *mut u8, byte: i32, count: usize) -> *mut u8 {
    sol_memset_(target, byte as u8, count as u64);
    target
}
