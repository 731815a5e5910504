//! Programs that rows start: this very program, in another role.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::process::ExitCode;
use std::time::Duration;

use policy::process::Command;

/// A command that runs one of the helpers here.
pub fn helper(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--helper", name]);
    command
}

pub fn main(name: &str, args: &[OsString]) -> ExitCode {
    match name {
        "tracer" => tracer(args),
        "echo" => echo(args),
        "descriptors" => descriptors(),
        "starts" => crate::places::starts(args[0].to_str().unwrap()),
        other => panic!("no helper is called {other}"),
    }
    ExitCode::SUCCESS
}

/// Traces a process, says so, and goes away after so many milliseconds.
fn tracer(args: &[OsString]) {
    let number = |at: usize| args[at].to_str().unwrap().parse::<u64>().unwrap();
    let null = std::ptr::null_mut::<libc::c_void>();
    let traced = unsafe { libc::ptrace(libc::PTRACE_SEIZE, number(0) as i32, null, null) };
    if traced != 0 {
        println!("refused: {}", std::io::Error::last_os_error());
        return;
    }
    println!("traces");
    std::thread::sleep(Duration::from_millis(number(1)));
}

/// Writes its folder, its arguments and its environment, each with its length before
/// it.
fn echo(args: &[OsString]) {
    let mut out = std::io::stdout().lock();
    let mut say = |bytes: &[u8]| {
        out.write_all(&(bytes.len() as u32).to_le_bytes()).unwrap();
        out.write_all(bytes).unwrap();
    };
    say(std::env::current_dir().unwrap().as_os_str().as_bytes());
    say(&(args.len() as u32).to_le_bytes());
    args.iter().for_each(|arg| say(arg.as_bytes()));
    for (key, value) in std::env::vars_os() {
        let mut pair = key.into_vec();
        pair.push(b'=');
        pair.extend_from_slice(value.as_bytes());
        say(&pair);
    }
}

/// Writes the numbers of its descriptors.
fn descriptors() {
    let open: Vec<String> = (0..1024)
        .filter(|&fd| unsafe { libc::fcntl(fd, libc::F_GETFD) } >= 0)
        .map(|fd| fd.to_string())
        .collect();
    println!("{}", open.join(" "));
}
