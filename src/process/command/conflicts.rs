//! Options of which a child can have only one. Each of them is right by itself, so what is
//! refused is the pair, by name, before anything is started.

use policy_core::{Error, ErrorKind};

use crate::process::start::launch::Setup;

/// # Errors
/// [`ErrorKind::InvalidInput`], which names both.
pub(super) fn check(setup: &Setup) -> Result<(), Error> {
    let own = &setup.recipe.own;
    let group = own.group.filter(|&group| group != 0);
    let Some(group) = group else { return Ok(()) };
    let group = format!("process_group({group})");
    if setup.kill_tree {
        return Err(exclude("kill_tree", &group, "a tree is killed by a group of its own"));
    }
    if own.session {
        return Err(exclude("session", &group, "a session's leader leads a group of its own"));
    }
    Ok(())
}

fn exclude(one: &str, other: &str, why: &str) -> Error {
    Error::new(
        ErrorKind::InvalidInput,
        format!("`{one}` and `{other}` exclude each other, since {why}; leave one of them away"),
    )
}
