//! From a [`Command`](crate::process::Command) to a process with a record.
//!
//! | file | question |
//! |---|---|
//! | [`begin`] | which of the ways to start it is there? |
//! | [`setup`] | what does a command say of its child? |
//! | [`recipe`] | what does a command say? |
//! | [`input`] | what does it find on its standard input? |
//! | [`starter`] | which thread starts it? |
//! | [`plan`], [`exec`], [`calls`] | what does the child do before it is its program? |
//! | [`vfork`] | how is it started on Linux? |
//! | [`by_std`], [`pass_fd`] | how is it started elsewhere? |
//! | [`refusal`] | how does an error say what failed? |

mod begin;
mod by_std;
mod calls;
mod exec;
mod input;
// Others number a signal set, or `clone3`'s registers, differently. Android's sandbox kills
// who asks for a call that it does not know.
#[cfg(any(target_os = "linux", target_os = "android"))]
mod pass_fd;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[path = "pass_no_fd.rs"]
mod pass_fd;
mod pipes;
mod plan;
mod recipe;
mod refusal;
mod setup;
pub(super) mod starter;
#[cfg(not(all(
    target_os = "linux",
    target_pointer_width = "64",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    not(policy_force_std_start)
)))]
#[path = "no_vfork.rs"]
mod vfork;
#[cfg(all(
    target_os = "linux",
    target_pointer_width = "64",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    not(policy_force_std_start)
))]
mod vfork;

use super::talk::stdio::Stream;
use super::terms::Defaults;

pub(super) use begin::{Failure, Started, begin, no_terminal};
pub(super) use by_std::Taken;
pub(super) use plan::Lent;
pub(super) use recipe::{Folder, Recipe};
pub(super) use setup::Setup;
#[cfg(target_os = "linux")]
pub(super) use vfork::works as clone3_works;

/// The streams of a child.
fn fill(defaults: Defaults, set: &[Option<Stream>; 3]) -> [Stream; 3] {
    let [stdin, stdout, stderr] = set.clone();
    let (input, output) = match defaults {
        Defaults::Inherit => (Stream::Inherit, Stream::Inherit),
        Defaults::Collect => (Stream::Null, Stream::Piped),
    };
    [stdin.unwrap_or(input), stdout.unwrap_or(output.clone()), stderr.unwrap_or(output)]
}
