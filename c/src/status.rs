//! The status of a call, the last error of a thread, and the guard around every call.

use std::any::Any;
use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

use flashschnet::Error;

/// The result of a call.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The call did what it should.
    Ok = 0,
    /// A file could not be read or written.
    Io = 1,
    /// A value, an argument or the content of a file is wrong.
    Invalid = 2,
    /// The input is valid, but this version does not support it.
    Unsupported = 3,
    /// A system cannot be made from a structure file.
    Structure = 4,
    /// The output file exists already.
    Exists = 5,
    /// There is no usable device.
    NoAdapter = 6,
    /// The job needs more memory than the device or the host has.
    OutOfMemory = 7,
    /// The driver of the GPU reported an error.
    Gpu = 8,
    /// The GPU no longer responds.
    DeviceLost = 9,
    /// The GPU computes wrongly: it did not give the known answers.
    WrongResults = 10,
    /// A replica exceeded a limit of fsn_settings.
    BlowUp = 11,
    /// Beads are in one place, where the energy is not defined: two with a repulsion between them, or
    /// more than two.
    Overlap = 12,
    /// A bead has more neighbors than the model allows.
    TooManyNeighbors = 13,
    /// An error without a number of its own.
    Other = 100,
    /// Another call uses the handle, on another thread or around the callback that made this call.
    Busy = 101,
    /// An error in the library itself, a panic. Its message is also on stderr. A potential or
    /// simulation that was in use is not used any more: it can only be freed.
    Panic = 102,
}

impl Status {
    fn of(error: &Error) -> Self {
        match error {
            Error::Io { .. } => Status::Io,
            Error::Invalid { .. } => Status::Invalid,
            Error::Unsupported { .. } => Status::Unsupported,
            Error::Structure { .. } => Status::Structure,
            Error::Exists(_) => Status::Exists,
            Error::NoAdapter { .. } => Status::NoAdapter,
            Error::OutOfMemory { .. } => Status::OutOfMemory,
            Error::Gpu { .. } => Status::Gpu,
            Error::DeviceLost { .. } => Status::DeviceLost,
            Error::WrongResults { .. } => Status::WrongResults,
            Error::BlowUp { .. } => Status::BlowUp,
            Error::Overlap { .. } => Status::Overlap,
            Error::TooManyNeighbors { .. } => Status::TooManyNeighbors,
            _ => Status::Other,
        }
    }

    const ALL: [(Status, &CStr); 17] = [
        (Status::Ok, c"ok"),
        (Status::Io, c"io"),
        (Status::Invalid, c"invalid"),
        (Status::Unsupported, c"unsupported"),
        (Status::Structure, c"structure"),
        (Status::Exists, c"exists"),
        (Status::NoAdapter, c"no adapter"),
        (Status::OutOfMemory, c"out of memory"),
        (Status::Gpu, c"gpu"),
        (Status::DeviceLost, c"device lost"),
        (Status::WrongResults, c"wrong results"),
        (Status::BlowUp, c"blow-up"),
        (Status::Overlap, c"overlap"),
        (Status::TooManyNeighbors, c"too many neighbors"),
        (Status::Other, c"other"),
        (Status::Busy, c"busy"),
        (Status::Panic, c"panic"),
    ];
}

/// Why a call failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: Status,
    pub(crate) message: String,
}

pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure { status: Status::of(&error), message: error.to_string() }
    }
}

impl Failure {
    /// A panic with the payload that it carries.
    fn panic(payload: &(dyn Any + Send)) -> Self {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
        let message = format!("a panic in flashschnet: {}", text.unwrap_or("without a message"));
        Failure { status: Status::Panic, message }
    }
}

thread_local! {
    static LAST: RefCell<CString> = RefCell::default();
}

/// Does a call. Errors and panics become a status, and their message that of the last error.
pub(crate) fn guard(call: impl FnOnce() -> Result<()>) -> Status {
    let caught = catch_unwind(AssertUnwindSafe(call));
    match caught.unwrap_or_else(|payload| Err(Failure::panic(&*payload))) {
        Ok(()) => Status::Ok,
        Err(Failure { status, message }) => {
            // A thread that ends has no last error any more.
            let _ = LAST.try_with(|last| last.replace(c_string(&message)));
            status
        }
    }
}

/// A text for C, which ends at the first NUL.
pub(crate) fn c_string(text: &str) -> CString {
    CString::new(text.replace('\0', "\\0")).unwrap_or_default()
}

/// The start of a text for C, or NULL for none.
pub(crate) fn start(text: &Option<CString>) -> *const c_char {
    text.as_ref().map_or(std::ptr::null(), |text| text.as_ptr())
}

/// The message of the last call on this thread that failed; "" if none did. It names the value, what
/// was found and what is expected. Calls that succeed leave it. The string is valid up to the next
/// call on this thread that fails.
#[unsafe(no_mangle)]
pub extern "C" fn fsn_last_error() -> *const c_char {
    LAST.try_with(|last| last.borrow().as_ptr()).unwrap_or(c"".as_ptr())
}

/// The name of a status, for example "invalid"; "unknown" for another number. The string is never
/// freed.
#[unsafe(no_mangle)]
pub extern "C" fn fsn_status_name(status: i32) -> *const c_char {
    let known = Status::ALL.iter().find(|(known, _)| *known as i32 == status);
    known.map_or(c"unknown", |(_, name)| *name).as_ptr()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(pointer: *const c_char) -> String {
        // SAFETY: the functions return strings that live longer than this call.
        unsafe { CStr::from_ptr(pointer) }.to_str().unwrap().to_owned()
    }

    #[test]
    fn a_panic_becomes_a_status_with_its_message() {
        assert_eq!(text(fsn_last_error()), "");
        assert_eq!(guard(|| panic!("bead {}", 7)), Status::Panic);
        assert_eq!(text(fsn_last_error()), "a panic in flashschnet: bead 7");
        assert_eq!(guard(|| panic!("plain")), Status::Panic);
        assert_eq!(text(fsn_last_error()), "a panic in flashschnet: plain");
        assert_eq!(guard(|| std::panic::panic_any(3)), Status::Panic);
        assert_eq!(text(fsn_last_error()), "a panic in flashschnet: without a message");
    }

    #[test]
    fn the_last_error_belongs_to_its_thread_and_outlives_success() {
        let fail = || guard(|| Err(Error::invalid("a\0b", 1, "2").into()));
        assert_eq!(fail(), Status::Invalid);
        let message = text(fsn_last_error());
        assert!(message.contains("found 1, expected 2"), "{message}");
        assert_eq!(guard(|| Ok(())), Status::Ok);
        let other = std::thread::spawn(|| text(fsn_last_error())).join().unwrap();
        assert_eq!((text(fsn_last_error()), other), (message, String::new()));
    }

    /// The library's `Error` can get variants that the compiler does not ask for here.
    #[test]
    fn every_error_of_the_library_has_a_status() {
        let source = include_str!("../../src/error.rs");
        let start = source.find("pub enum Error {").unwrap();
        let body = &source[start..start + source[start..].find("\n}").unwrap()];
        let is_variant = |line: &&str| line.starts_with(|c: char| c.is_ascii_uppercase());
        let lines = body.lines().filter_map(|line| line.strip_prefix("    "));
        let variants = lines
            .filter(is_variant)
            .map(|line| line.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap());
        let variants: Vec<_> = variants.collect();
        let own = include_str!("status.rs");
        for variant in &variants {
            let known = own.contains(&format!("Error::{variant} {{"))
                || own.contains(&format!("Error::{variant}("));
            assert!(known, "{variant} has no status");
        }
        // Ok, Other, Busy and Panic are no errors of the library.
        assert_eq!(variants.len() + 4, Status::ALL.len(), "{variants:?}");
    }

    #[test]
    fn names_of_statuses_are_known() {
        assert_eq!(text(fsn_status_name(Status::BlowUp as i32)), "blow-up");
        assert_eq!(text(fsn_status_name(-5)), "unknown");
    }
}
