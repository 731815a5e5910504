//! Options of which a child can have only one. Each of them is right by itself, so what is
//! refused is the pair, by name, before anything is started; and a control group that can be
//! right nowhere.

use policy_core::{Error, ErrorKind};

use crate::process::start::Setup;

/// # Errors
/// [`ErrorKind::InvalidInput`], which names both.
pub(super) fn check(setup: &Setup) -> Result<(), Error> {
    let Setup { pty, foreground, .. } = *setup;
    let kill_tree = setup.terms.kill_tree;
    let own = &setup.recipe.own;
    let session = own.session;
    let group = own.group.filter(|&group| group != 0);
    let group = group.map(|group| format!("process_group({group})"));
    let group = group.as_deref();
    let input = if setup.terms.input.is_some() { "input" } else { "stdin" };
    let streams = setup.recipe.streams.iter().zip([input, "stdout", "stderr"]);
    let given = streams.filter(|(set, _)| set.is_some()).map(|(_, name)| name).next();
    let pairs = [
        (kill_tree, "kill_tree", group, "a tree is killed by a group of its own"),
        (pty, "pty", group, "a terminal of its own needs a session of its own"),
        (session && !pty, "session", group, "a session's leader leads a group of its own"),
        (pty, "pty", given, "the terminal is all three streams"),
        (pty && foreground, "pty", Some("foreground"), "only one terminal can be its own"),
        (
            session && foreground && !pty,
            "session",
            Some("foreground"),
            "a new session has no part in our terminal",
        ),
    ];
    for (is_asked, one, other, why) in pairs {
        if let (true, Some(other)) = (is_asked, other) {
            return Err(exclude(one, other, why));
        }
    }
    setup.cgroup.as_ref().map_or(Ok(()), |cgroup| cgroup.check())
}

fn exclude(one: &str, other: &str, why: &str) -> Error {
    Error::new(
        ErrorKind::InvalidInput,
        format!("`{one}` and `{other}` exclude each other, since {why}; leave one of them away"),
    )
}
