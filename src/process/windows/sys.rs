//! The calls of the system that no safe crate wraps.
#![allow(unsafe_code, reason = "calls of the system, by handles that are borrowed or owned")]

use std::ffi::c_void;
use std::io;
use std::os::windows::io::{AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle};
use std::ptr;

use policy_core::sync::isolated;
use windows_sys::Win32::Foundation::{HANDLE, INVALID_HANDLE_VALUE, WAIT_OBJECT_0, WAIT_TIMEOUT};
use windows_sys::Win32::System::Diagnostics::ToolHelp::{
    CreateToolhelp32Snapshot, TH32CS_SNAPTHREAD, THREADENTRY32, Thread32First, Thread32Next,
};
use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, TerminateJobObject,
};
use windows_sys::Win32::System::Threading::{
    GetExitCodeProcess, INFINITE, OpenThread, RegisterWaitForSingleObject, ResumeThread,
    THREAD_SUSPEND_RESUME, TerminateProcess, UnregisterWait, WT_EXECUTEONLYONCE,
    WaitForSingleObject,
};

/// The exit code of what is killed, as asyncio has it.
const KILLED: u32 = 1;

type Call = Box<dyn FnOnce() + Send>;

/// A wait that the system's thread pool does for us.
#[derive(Debug)]
pub(in crate::process) struct ExitWait(HANDLE);

// SAFETY: a handle is a number, which any thread may give back.
unsafe impl Send for ExitWait {}
// SAFETY: as above; nothing is done by reference.
unsafe impl Sync for ExitWait {}

/// Calls `call` once the process has exited, on a thread of the system's. What `call`
/// holds must keep the process's handle open.
pub(in crate::process) fn on_exit(process: BorrowedHandle<'_>, call: Call) -> io::Result<ExitWait> {
    let context = Box::into_raw(Box::new(call)).cast::<c_void>();
    let mut wait = ptr::null_mut();
    // SAFETY: `process` is open, and stays so while `call` is there, as the caller says;
    // `exited` gets the box, and gets it once.
    let registered = unsafe {
        RegisterWaitForSingleObject(
            &mut wait,
            process.as_raw_handle(),
            Some(exited),
            context,
            INFINITE,
            WT_EXECUTEONLYONCE,
        )
    };
    if registered == 0 {
        let error = io::Error::last_os_error();
        // SAFETY: made above, and given to nobody.
        drop(unsafe { Box::from_raw(context.cast::<Call>()) });
        return Err(error);
    }
    Ok(ExitWait(wait))
}

unsafe extern "system" fn exited(context: *mut c_void, _timed_out: bool) {
    // SAFETY: the box of `on_exit`; the wait is for one call only.
    let call = unsafe { Box::from_raw(context.cast::<Call>()) };
    isolated("a waker of a child's", || call());
}

impl Drop for ExitWait {
    fn drop(&mut self) {
        // SAFETY: registered and not yet unregistered. Does not wait for the callback, so
        // it may be called from there; a call that is not made any more leaks its box.
        unsafe { UnregisterWait(self.0) };
    }
}

/// Returns the exit code of a process that has exited.
pub(in crate::process) fn exit_code(process: BorrowedHandle<'_>) -> io::Result<Option<u32>> {
    // Not by the code alone: 259 would mean that it runs (STILL_ACTIVE).
    // SAFETY: the handle is open; the call does not wait.
    match unsafe { WaitForSingleObject(process.as_raw_handle(), 0) } {
        WAIT_OBJECT_0 => {}
        WAIT_TIMEOUT => return Ok(None),
        _ => return Err(io::Error::last_os_error()),
    }
    let mut code = 0;
    // SAFETY: the handle is open, and `code` has room for the answer.
    check(unsafe { GetExitCodeProcess(process.as_raw_handle(), &mut code) })?;
    Ok(Some(code))
}

pub(in crate::process) fn terminate(process: BorrowedHandle<'_>) -> io::Result<()> {
    // SAFETY: the handle is open, and of the process that is meant.
    check(unsafe { TerminateProcess(process.as_raw_handle(), KILLED) })
}

/// Lets a process run that was started suspended.
pub(in crate::process) fn resume(pid: u32) -> io::Result<()> {
    // std keeps the handle of the first thread to itself; the process has no other yet.
    // SAFETY: takes numbers only.
    let snapshot = unsafe { CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0) };
    if snapshot == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just made, so nobody else's.
    let snapshot = unsafe { OwnedHandle::from_raw_handle(snapshot) };
    // SAFETY: plain numbers, for which zero is fine.
    let mut entry: THREADENTRY32 = unsafe { std::mem::zeroed() };
    entry.dwSize = size_of::<THREADENTRY32>() as u32;
    // SAFETY: the snapshot is open, and the entry says its size.
    let mut found = unsafe { Thread32First(snapshot.as_raw_handle(), &mut entry) };
    while found != 0 {
        if entry.th32OwnerProcessID == pid {
            // SAFETY: takes numbers only.
            let thread = unsafe { OpenThread(THREAD_SUSPEND_RESUME, 0, entry.th32ThreadID) };
            if thread.is_null() {
                return Err(io::Error::last_os_error());
            }
            // SAFETY: just made, so nobody else's.
            let thread = unsafe { OwnedHandle::from_raw_handle(thread) };
            // SAFETY: the handle is open, with the right to do this.
            return match unsafe { ResumeThread(thread.as_raw_handle()) } {
                u32::MAX => Err(io::Error::last_os_error()),
                _ => Ok(()),
            };
        }
        // SAFETY: as for the first.
        found = unsafe { Thread32Next(snapshot.as_raw_handle(), &mut entry) };
    }
    Err(io::ErrorKind::NotFound.into())
}

/// A job object: a child and all that descends from it.
#[derive(Debug)]
pub(in crate::process) struct Job(OwnedHandle);

impl Job {
    pub(in crate::process) fn new() -> io::Result<Self> {
        // SAFETY: both may be null: nobody inherits it, and it has no name.
        let job = unsafe { CreateJobObjectW(ptr::null(), ptr::null()) };
        if job.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: just made, so nobody else's.
        Ok(Self(unsafe { OwnedHandle::from_raw_handle(job) }))
    }

    pub(in crate::process) fn assign(&self, process: BorrowedHandle<'_>) -> io::Result<()> {
        // SAFETY: both handles are open.
        check(unsafe { AssignProcessToJobObject(self.0.as_raw_handle(), process.as_raw_handle()) })
    }

    pub(in crate::process) fn terminate(&self) -> io::Result<()> {
        // SAFETY: the handle is open.
        check(unsafe { TerminateJobObject(self.0.as_raw_handle(), KILLED) })
    }
}

fn check(result: windows_sys::core::BOOL) -> io::Result<()> {
    if result == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
