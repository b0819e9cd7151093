//! Pointers of the caller as values. NULL, wrong alignment and wrong lengths are errors.

use std::ffi::{CStr, c_char};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, TryLockError};

use flashschnet::Error;

use crate::status::{Failure, Result, Status, guard};

fn check<T>(name: &str, pointer: *const T) -> Result<()> {
    if pointer.is_null() {
        return Err(Error::invalid(name, "NULL", "a pointer").into());
    }
    if !pointer.is_aligned() {
        let expected = format!("an address that is a multiple of {}", align_of::<T>());
        return Err(Error::invalid(name, format!("{pointer:p}"), expected).into());
    }
    Ok(())
}

/// A value of the caller, for example a handle.
///
/// # Safety
/// `pointer` leads to a value that lives as long as the result, or is NULL.
pub(crate) unsafe fn value<'a, T>(name: &str, pointer: *const T) -> Result<&'a T> {
    check(name, pointer)?;
    // SAFETY: see above.
    Ok(unsafe { &*pointer })
}

/// `n` values of the caller; NULL is an array of none.
///
/// # Safety
/// `pointer` leads to `n` values that live as long as the result and do not change, or is NULL.
pub(crate) unsafe fn array<'a, T>(name: &str, pointer: *const T, n: usize) -> Result<&'a [T]> {
    if n == 0 {
        return Ok(&[]);
    }
    check(name, pointer)?;
    check_length::<T>(name, n)?;
    // SAFETY: see above.
    Ok(unsafe { std::slice::from_raw_parts(pointer, n) })
}

/// `n` vectors of the caller.
///
/// # Safety
/// As that of [`array`], with 3 `n` numbers.
pub(crate) unsafe fn vectors<'a>(
    name: &str,
    pointer: *const f64,
    n: usize,
) -> Result<&'a [[f64; 3]]> {
    // SAFETY: that of the caller.
    unsafe { array(name, pointer.cast(), n) }
}

fn check_length<T>(name: &str, n: usize) -> Result<()> {
    match n.checked_mul(size_of::<T>()).is_some_and(|bytes| isize::try_from(bytes).is_ok()) {
        true => Ok(()),
        false => Err(Error::invalid(name, format!("{n} elements"), "what memory can hold").into()),
    }
}

/// A string of the caller.
///
/// # Safety
/// `pointer` leads to a string with a NUL at its end that lives as long as the result, or is NULL.
pub(crate) unsafe fn text<'a>(name: &str, pointer: *const c_char) -> Result<&'a str> {
    check(name, pointer)?;
    // SAFETY: see above.
    let text = unsafe { CStr::from_ptr(pointer) };
    let of_bytes = |_| Error::invalid(name, text.to_string_lossy(), "a text in UTF-8").into();
    text.to_str().map_err(of_bytes)
}

/// A path of the caller.
///
/// # Safety
/// See [`text`].
pub(crate) unsafe fn path<'a>(name: &str, pointer: *const c_char) -> Result<&'a Path> {
    // SAFETY: that of the caller.
    match unsafe { text(name, pointer) }? {
        "" => Err(Error::invalid(name, "an empty text", "a path").into()),
        path => Ok(Path::new(path)),
    }
}

/// A place of the caller for a result.
#[derive(Debug)]
pub(crate) struct Place<T>(*mut T);

impl<T> Place<T> {
    /// # Safety
    /// A value can be written to `pointer` as long as the result lives, or it is NULL.
    pub(crate) unsafe fn new(name: &str, pointer: *mut T) -> Result<Self> {
        check(name, pointer).map(|()| Place(pointer))
    }

    /// The same, or nothing for NULL.
    ///
    /// # Safety
    /// See [`Place::new`].
    pub(crate) unsafe fn optional(name: &str, pointer: *mut T) -> Result<Option<Self>> {
        // SAFETY: that of the caller.
        (!pointer.is_null()).then(|| unsafe { Place::new(name, pointer) }).transpose()
    }

    pub(crate) fn put(self, value: T) {
        // SAFETY: that of `new`.
        unsafe { self.0.write(value) }
    }
}

/// Room of the caller for `n` results. The caller's memory may be that of an input, so nothing
/// refers to it before the results are there.
#[derive(Debug)]
pub(crate) struct Room<T> {
    to: *mut T,
    n: usize,
}

impl Room<[f64; 3]> {
    /// Room for `n` vectors.
    ///
    /// # Safety
    /// See [`Room::new`], with 3 `n` numbers.
    pub(crate) unsafe fn vectors(name: &str, pointer: *mut f64, n: usize) -> Result<Self> {
        // SAFETY: that of the caller.
        unsafe { Room::new(name, pointer.cast(), n) }
    }
}

impl<T: Copy> Room<T> {
    /// # Safety
    /// `n` values can be written to `pointer` as long as the result lives, or it is NULL.
    pub(crate) unsafe fn new(name: &str, pointer: *mut T, n: usize) -> Result<Self> {
        if n > 0 {
            check(name, pointer)?;
            check_length::<T>(name, n)?;
        }
        Ok(Room { to: pointer, n })
    }

    /// The same, or nothing for NULL.
    ///
    /// # Safety
    /// See [`Room::new`].
    pub(crate) unsafe fn optional(name: &str, pointer: *mut T, n: usize) -> Result<Option<Self>> {
        // SAFETY: that of the caller.
        (!pointer.is_null()).then(|| unsafe { Room::new(name, pointer, n) }).transpose()
    }

    /// Writes the results.
    pub(crate) fn put(self, values: &[T]) {
        assert_eq!(values.len(), self.n, "results fill the room that was asked for");
        if self.n > 0 {
            // SAFETY: that of `new`.
            unsafe { std::ptr::copy(values.as_ptr(), self.to, self.n) }
        }
    }
}

/// Checks a number that the caller gives.
pub(crate) fn check_count(name: &str, found: usize, expected: usize) -> Result<()> {
    match found == expected {
        true => Ok(()),
        false => Err(Error::invalid(name, found, expected.to_string()).into()),
    }
}

/// Gives a value to the caller.
///
/// # Safety
/// A value can be written to `to`, or it is NULL.
pub(crate) unsafe fn get<T>(name: &str, to: *mut T, read: impl FnOnce() -> Result<T>) -> Status {
    guard(|| {
        // SAFETY: that of the caller.
        let place = unsafe { Place::new(name, to) }?;
        place.put(read()?);
        Ok(())
    })
}

/// Makes a handle. `to` is set to NULL first, and stays so if the handle cannot be made.
///
/// # Safety
/// A pointer can be written to `to`, or it is NULL.
pub(crate) unsafe fn create<T>(
    name: &str,
    to: *mut *mut T,
    make: impl FnOnce() -> Result<T>,
) -> Status {
    guard(|| {
        // SAFETY: that of the caller.
        unsafe { Place::new(name, to) }?.put(std::ptr::null_mut());
        let handle = Box::new(make()?);
        // SAFETY: that of the caller.
        unsafe { Place::new(name, to) }?.put(Box::into_raw(handle));
        Ok(())
    })
}

/// Frees a handle. NULL is none.
///
/// # Safety
/// The handle comes from [`create`], and nothing uses it any more.
pub(crate) unsafe fn free<T>(handle: *mut T) {
    guard(|| {
        if !handle.is_null() {
            // SAFETY: that of the caller.
            drop(unsafe { Box::from_raw(handle) });
        }
        Ok(())
    });
}

/// The content of a handle that does one call at a time.
pub(crate) fn lock<'a, T>(name: &str, content: &'a Mutex<T>) -> Result<MutexGuard<'a, T>> {
    content.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => busy(name),
        TryLockError::Poisoned(_) => Failure {
            status: Status::Panic,
            message: format!("{name}: an earlier call panicked; free it"),
        },
    })
}

fn busy(name: &str) -> Failure {
    let message = format!("{name}: another call uses it; wait until that call has returned");
    Failure { status: Status::Busy, message }
}

/// Frees a handle that does one call at a time, unless it does one now. NULL is none.
///
/// # Safety
/// See [`free`].
pub(crate) unsafe fn free_idle<T, C>(
    name: &str,
    handle: *mut T,
    content: impl FnOnce(&T) -> &Mutex<C>,
) {
    guard(|| {
        // SAFETY: that of the caller.
        let Some(of) = (unsafe { handle.as_ref() }) else { return Ok(()) };
        if let Err(TryLockError::WouldBlock) = content(of).try_lock() {
            return Err(busy(name));
        }
        // SAFETY: that of the caller.
        drop(unsafe { Box::from_raw(handle) });
        Ok(())
    });
}

#[cfg(test)]
mod tests {
    use std::ptr::null_mut;

    use super::*;

    /// After a panic a handle can only be freed.
    #[test]
    fn a_handle_is_not_used_after_a_panic() {
        let mut handle: *mut Mutex<u32> = null_mut();
        // SAFETY: `handle` is a place for a pointer, and then a handle.
        unsafe {
            assert_eq!(create("handle", &raw mut handle, || Ok(Mutex::new(1))), Status::Ok);
            let call = || {
                let mut number = lock("handle", value("handle", handle)?)?;
                *number += 1;
                assert_eq!(*number, 0, "a mistake");
                Ok(())
            };
            assert_eq!(guard(call), Status::Panic);
            let later = lock("handle", value("handle", handle).unwrap()).unwrap_err();
            assert_eq!(later.status, Status::Panic);
            assert!(later.message.contains("an earlier call panicked"), "{}", later.message);
            free_idle("handle", handle, |mutex| mutex);
        }
    }

    #[test]
    fn a_handle_in_use_is_neither_locked_nor_freed() {
        let mut handle: *mut Mutex<u32> = null_mut();
        // SAFETY: `handle` is a place for a pointer, and then a handle.
        unsafe {
            assert_eq!(create("handle", &raw mut handle, || Ok(Mutex::new(1))), Status::Ok);
            let in_use = lock("handle", value("handle", handle).unwrap()).unwrap();
            let second = lock("handle", value("handle", handle).unwrap()).unwrap_err();
            assert_eq!(second.status, Status::Busy);
            free_idle("handle", handle, |mutex| mutex);
            assert_eq!(*in_use, 1);
            drop(in_use);
            free_idle("handle", handle, |mutex| mutex);
        }
    }

    #[test]
    fn a_handle_that_cannot_be_made_is_null() {
        let mut handle = (&raw const LEFT).cast_mut();
        static LEFT: u32 = 7;
        let fail = || Err(Error::invalid("a", "b", "c").into());
        // SAFETY: `handle` is a place for a pointer.
        let status = unsafe { create("handle", &raw mut handle, fail) };
        assert_eq!((status, handle.is_null()), (Status::Invalid, true));
    }
}
