//! The C interface. `include/flashschnet.h` is made of these sources, so their comments are for
//! people who write C. Its head has the rules of all functions.
//!
//! Every function is a call of [`status::guard`], which turns errors and panics into a status.
//! Pointers become values in [`pointer`], which tests what can be tested of them: NULL, alignment
//! and lengths. That they lead to memory of the right type and length is what the header asks of the
//! caller, and what each block `unsafe` relies on.

#![allow(
    clippy::missing_safety_doc,
    reason = "the head of the header has the rules of all pointers"
)]

mod pointer;

// The order of the header, which rustfmt would change in one paragraph.
pub mod status;

pub mod model;

pub mod backend;

pub mod potential;

pub mod settings;

pub mod simulation;

pub mod change;

pub mod force;

pub mod checkpoint;

pub mod log;

use std::ffi::{CStr, c_char};

/// The header lets several threads use a handle at a time.
const _: () = {
    const fn is_shared<T: Send + Sync>() {}
    is_shared::<model::Model>();
    is_shared::<model::Structures>();
    is_shared::<backend::Backend>();
    is_shared::<potential::Potential>();
    is_shared::<simulation::Simulation>();
    is_shared::<checkpoint::Checkpoint>();
};

/// The version of this interface. It grows when a program that was compiled with an earlier header
/// would no longer work. Functions, fields at the end of structs and numbers of enums can be added
/// without a new version.
pub const FSN_ABI_VERSION: u32 = 1;

const VERSION: &CStr =
    match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => panic!("a version has no NUL"),
    };

/// FSN_ABI_VERSION of the library. A program compares it with the macro of the header that it was
/// compiled with.
#[unsafe(no_mangle)]
pub extern "C" fn fsn_abi_version() -> u32 {
    FSN_ABI_VERSION
}

/// The version of flashschnet, for example "0.1.0". The string is never freed.
#[unsafe(no_mangle)]
pub extern "C" fn fsn_version() -> *const c_char {
    VERSION.as_ptr()
}
