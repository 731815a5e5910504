#[path = "../../policy/mod.rs"]
mod policy;

// Each value that can't be meant is refused where it is written.

#[policy::test(crate = policy, requires(wings))]
async fn no_such_capability() {}

#[policy::test(crate = policy, requires())]
async fn nothing_required() {}

#[policy::test(crate = policy, flavor = "vanilla")]
async fn no_such_flavor() {}

#[policy::test(crate = policy, timeout = "5 parsecs")]
async fn no_length_of_time() {}

#[policy::test(crate = policy, timeout = 5)]
async fn no_unit() {}

#[policy::test(crate = policy, clock = "virtual")]
async fn a_string_for_a_clock() {}

#[policy::test(crate = policy, clock = sundial)]
async fn no_such_clock() {}

#[policy::test(crate = policy, all = true)]
async fn a_value_for_all() {}

fn main() {}
