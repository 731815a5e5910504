#[path = "../../policy/mod.rs"]
#[allow(dead_code, unreachable_pub)]
mod policy;

#[policy::test(crate = policy, policy = policy::SmolPolicy)]
async fn one_policy() {}

#[policy::test(crate = policy, retries = 3, some)]
async fn later_options() {}

fn main() {}
