//! Microsoft's DXC, with the arguments of wgpu-hal (`dx12/shader_compilation.rs`).
//!
//! Interfaces of COM are tables of functions. In this library the first five are those of IUnknown
//! and its destructors.

use std::ffi::{c_char, c_void};
use std::path::Path;

use rayon::prelude::*;

use crate::{Result, files, read, stem};

#[repr(C)]
struct Guid(u32, u16, u16, [u8; 8]);

const COMPILER: Guid =
    Guid(0x73e2_2d93, 0xe6ce, 0x47f3, [0xb5, 0xbf, 0xf0, 0x66, 0x4f, 0x39, 0xc1, 0xb0]);
const I_COMPILER: Guid =
    Guid(0x228b_4687, 0x5a6a, 0x4730, [0x90, 0x0c, 0x97, 0x02, 0xb2, 0x20, 0x3f, 0x54]);
const I_RESULT: Guid =
    Guid(0x5834_6cda, 0xdde7, 0x4497, [0x94, 0x61, 0x6f, 0x87, 0xaf, 0x5e, 0x06, 0x59]);
const I_VERSION: Guid =
    Guid(0xb04f_5b50, 0x2059, 0x4f12, [0xa8, 0xff, 0xa1, 0xe0, 0xcd, 0xe1, 0xcc, 0x7e]);

type Object = *mut c_void;
type Status = i32;

/// The address of a function of an object, and the object as its first argument.
macro_rules! call {
    ($object:expr, $index:expr, fn($($kind:ty),*) -> $returned:ty, $($argument:expr),*) => {{
        let object: Object = $object;
        // SAFETY: the object lives, and its table has this function at this place.
        unsafe {
            let table = *object.cast::<*const *const c_void>();
            let function: unsafe extern "C" fn(Object, $($kind),*) -> $returned =
                std::mem::transmute(*table.add($index));
            function(object, $($argument),*)
        }
    }};
}

const QUERY_INTERFACE: usize = 0;
const RELEASE: usize = 2;
const FIRST: usize = 5;

#[repr(C)]
struct Buffer {
    data: *const c_void,
    bytes: usize,
    encoding: u32,
}

const UTF8: u32 = 65001;

/// An object that is released at the end.
struct Owned(Object);

impl Drop for Owned {
    fn drop(&mut self) {
        if !self.0.is_null() {
            call!(self.0, RELEASE, fn() -> u32,);
        }
    }
}

type Create = unsafe extern "C" fn(*const Guid, *const Guid, *mut Object) -> Status;

/// One compiler. Each thread makes its own.
fn compiler(library: &libloading::Library) -> Result<Owned> {
    let mut made = Owned(std::ptr::null_mut());
    // SAFETY: the function has this type in dxcapi.h.
    let status = unsafe {
        let create = library.get::<Create>(b"DxcCreateInstance").map_err(|e| e.to_string())?;
        create(&COMPILER, &I_COMPILER, &mut made.0)
    };
    if status == 0 { Ok(made) } else { Err(format!("DxcCreateInstance: {status:#x}")) }
}

fn version(compiler: &Owned) -> Result<String> {
    let mut info = Owned(std::ptr::null_mut());
    let status = call!(
        compiler.0,
        QUERY_INTERFACE,
        fn(*const Guid, *mut Object) -> Status,
        &I_VERSION,
        &mut info.0
    );
    if status != 0 {
        return Err("DXC tells no version".to_owned());
    }
    let (mut major, mut minor) = (0u32, 0u32);
    call!(info.0, FIRST, fn(*mut u32, *mut u32) -> Status, &mut major, &mut minor);
    Ok(format!("{major}.{minor}"))
}

/// A string of `wchar_t`, which has 32 bits on Linux.
fn wide(text: &str) -> Vec<u32> {
    text.chars().map(u32::from).chain([0]).collect()
}

/// The name of the function that has a workgroup size.
fn entry_point(text: &str) -> Option<&str> {
    let after = &text[text.find("[numthreads")?..];
    let name = &after[after.find("void ")? + "void ".len()..];
    Some(&name[..name.find('(')?])
}

fn compile(compiler: &Owned, text: &str, profile: &str) -> Result<()> {
    let entry = entry_point(text).ok_or("no entry point")?;
    let mut arguments = vec!["-E", entry, "-T", profile, "-HV", "2018", "-no-warnings", "-Ges"];
    if profile >= "cs_6_2" {
        arguments.push("-enable-16bit-types");
    }
    let arguments: Vec<Vec<u32>> = arguments.into_iter().map(wide).collect();
    let pointers: Vec<*const u32> = arguments.iter().map(|word| word.as_ptr()).collect();
    let source = Buffer { data: text.as_ptr().cast(), bytes: text.len(), encoding: UTF8 };
    let mut result = Owned(std::ptr::null_mut());
    let status = call!(
        compiler.0,
        FIRST,
        fn(*const Buffer, *const *const u32, u32, Object, *const Guid, *mut Object) -> Status,
        &source,
        pointers.as_ptr(),
        pointers.len() as u32,
        std::ptr::null_mut(),
        &I_RESULT,
        &mut result.0
    );
    if status != 0 {
        return Err(format!("Compile: {status:#x}"));
    }
    let mut outcome: Status = -1;
    call!(result.0, FIRST, fn(*mut Status) -> Status, &mut outcome);
    let message = message(&result);
    let message: Vec<&str> = message.lines().filter(|line| !is_of_signing(line)).collect();
    // wgpu-hal takes any message as a failure.
    if outcome == 0 && message.is_empty() {
        return Ok(());
    }
    let message = message.join("\n");
    Err(format!("{outcome:#x} {message}"))
}

/// DXC checks its code itself. Only Windows has the library that signs it.
fn is_of_signing(line: &str) -> bool {
    line.trim().is_empty() || line.starts_with("warning: DXIL.dll not found.")
}

fn message(result: &Owned) -> String {
    let mut errors = Owned(std::ptr::null_mut());
    call!(result.0, FIRST + 2, fn(*mut Object) -> Status, &mut errors.0);
    if errors.0.is_null() {
        return String::new();
    }
    let start = call!(errors.0, FIRST, fn() -> *const c_char,);
    let bytes = call!(errors.0, FIRST + 1, fn() -> usize,);
    if bytes == 0 {
        return String::new();
    }
    // SAFETY: the blob has these bytes and lives until the end of this function.
    let bytes = unsafe { std::slice::from_raw_parts(start.cast::<u8>(), bytes) };
    String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned()
}

/// Compiles every file of the folders for a profile such as cs_6_0, and `control`, which has to fail.
pub(crate) fn run(
    library: &str,
    profile: &str,
    control: &Path,
    folders: &[&str],
) -> Result<String> {
    // SAFETY: the library has no constructor that needs anything.
    let library = unsafe { libloading::Library::new(library) }.map_err(|e| e.to_string())?;
    let version = version(&compiler(&library)?)?;
    let text = |path: &Path| String::from_utf8(read(path)?).map_err(|e| e.to_string());
    if compile(&compiler(&library)?, &text(control)?, profile).is_ok() {
        return Err(format!("DXC {profile} takes {}, which is wrong", control.display()));
    }
    let mut all = Vec::new();
    for folder in folders {
        all.extend(files(folder.as_ref())?);
    }
    let failed = |path: &std::path::PathBuf| {
        let done =
            compiler(&library).and_then(|compiler| compile(&compiler, &text(path)?, profile));
        done.err().map(|message| format!("DXC {profile}: {}: {message}", stem(path)))
    };
    let failures: Vec<String> = all.par_iter().filter_map(failed).collect();
    let passed = all.len() - failures.len();
    if failures.is_empty() {
        return Ok(format!("DXC {version}, {profile}: {passed} of {passed}"));
    }
    Err(format!("{}\nDXC {version}, {profile}: {passed} of {}", failures.join("\n"), all.len()))
}
