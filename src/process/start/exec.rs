//! The program that a child becomes, and where it may be.

use std::ffi::{CString, OsStr, OsString, c_char};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::sync::Arc;

use super::calls::{self, Errno};
use super::recipe::Recipe;

/// A program with its arguments and its environment, as `execve` takes them.
#[derive(Debug)]
pub(super) struct Exec {
    /// Where it may be.
    programs: Vec<CString>,
    // The pointers are into the strings beside them, which never change: who changes a
    // recipe that is shared gets a copy of it.
    args: Vec<*const c_char>,
    vars: Vars,
    _own_name: CString,
    _recipe: Arc<Recipe>,
}

/// The environment of a child.
#[derive(Debug)]
enum Vars {
    /// This process's, as it is when the child executes its program: nothing is copied.
    Own,
    Changed {
        vars: Vec<*const c_char>,
        _strings: Vec<CString>,
    },
}

// SAFETY: the pointers are into strings that this keeps and that nobody changes: as good in
// another thread as the strings are.
#[allow(unsafe_code, reason = "pointers into what is kept")]
unsafe impl Send for Exec {}
// SAFETY: as above; it is only read.
#[allow(unsafe_code, reason = "pointers into what is kept")]
unsafe impl Sync for Exec {}

impl Exec {
    pub(super) fn new(recipe: &Arc<Recipe>) -> io::Result<Self> {
        let own_name = string(recipe.arg0.as_deref().unwrap_or(&recipe.program))?;
        let args = pointers(std::iter::once(&own_name).chain(recipe.args()?));
        let (vars, path) = Vars::of(recipe)?;
        let programs = candidates(&recipe.program, path.as_deref())?;
        Ok(Self { programs, args, vars, _own_name: own_name, _recipe: recipe.clone() })
    }

    /// Runs in the child, and returns if no candidate can be executed.
    #[allow(unsafe_code, reason = "strings by pointer")]
    pub(super) fn run(&self) -> Errno {
        let (mut last, mut is_refused) = (libc::ENOENT, false);
        let vars = match &self.vars {
            Vars::Own => calls::environment(),
            Vars::Changed { vars, .. } => vars.as_ptr(),
        };
        for program in &self.programs {
            // SAFETY: a `CString` ends in NUL, and both arrays in null.
            last = unsafe { calls::execute(program.as_ptr(), self.args.as_ptr(), vars) };
            // As glibc's `execvpe`: these are about one folder of PATH. It passes over one that is
            // too long, too.
            match last {
                libc::EACCES => is_refused = true,
                libc::ENOENT
                | libc::ESTALE
                | libc::ENOTDIR
                | libc::ENODEV
                | libc::ETIMEDOUT
                | libc::ENAMETOOLONG => {}
                _ => return last,
            }
        }
        if is_refused { libc::EACCES } else { last }
    }
}

impl Vars {
    /// Returns them, and the PATH among them if the program has to be looked for.
    fn of(recipe: &Recipe) -> io::Result<(Self, Option<OsString>)> {
        let is_looked_for = !recipe.program.as_bytes().contains(&b'/');
        if recipe.vars.is_own() {
            let path = if is_looked_for { std::env::var_os("PATH") } else { None };
            return Ok((Self::Own, path));
        }
        let (mut strings, mut path) = (Vec::new(), None);
        let mut refused = None;
        recipe.vars.each(|key, value| {
            let mut var = Vec::with_capacity(key.len() + value.len() + 2);
            var.extend_from_slice(key.as_bytes());
            var.push(b'=');
            var.extend_from_slice(value.as_bytes());
            if is_looked_for && key == "PATH" {
                path = Some(value.to_owned());
            }
            match CString::new(var) {
                Ok(var) => strings.push(var),
                Err(error) => refused = Some(error),
            }
        });
        match refused {
            Some(error) => Err(error.into()),
            None => Ok((Self::Changed { vars: pointers(&strings), _strings: strings }, path)),
        }
    }
}

/// Where a program may be: where std would look, which is in the PATH of the *child*.
pub(super) fn candidates(program: &OsStr, path: Option<&OsStr>) -> io::Result<Vec<CString>> {
    // What libc does without a PATH.
    const DEFAULT: &str = "/bin:/usr/bin";

    if program.is_empty() {
        return Ok(Vec::new());
    }
    if program.as_bytes().contains(&b'/') {
        return Ok(vec![string(program)?]);
    }
    let folders = path.unwrap_or(OsStr::new(DEFAULT)).as_bytes().split(|&byte| byte == b':');
    folders
        .map(|folder| {
            // An empty one is where the child runs.
            string(Path::new(OsStr::from_bytes(folder)).join(program).as_os_str())
        })
        .collect()
}

fn pointers<'a>(strings: impl IntoIterator<Item = &'a CString>) -> Vec<*const c_char> {
    strings.into_iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
}

pub(super) fn string(text: &OsStr) -> io::Result<CString> {
    Ok(CString::new(text.as_bytes())?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails panics")]
mod tests {
    use super::*;

    fn places(program: &str, path: Option<&str>) -> Vec<String> {
        let found = candidates(program.as_ref(), path.map(OsStr::new)).unwrap();
        found.into_iter().map(|place| place.into_string().unwrap()).collect()
    }

    #[test]
    fn a_program_is_looked_for_where_std_looks() {
        assert_eq!(places("a/b", Some("/x")), ["a/b"]);
        assert_eq!(places("b", Some("/x::y/")), ["/x/b", "b", "y/b"]);
        assert_eq!(places("b", None), ["/bin/b", "/usr/bin/b"]);
        assert!(places("", Some("/x")).is_empty());
    }
}
