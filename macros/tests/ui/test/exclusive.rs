#[path = "../../policy/mod.rs"]
mod policy;

// Options that exclude each other, or need each other.

#[policy::test(crate = policy, all, policies(policy::SmolPolicy))]
async fn all_and_some() {}

#[policy::test(crate = policy, policies(policy::SmolPolicy), flavor = "multi_thread")]
async fn a_policy_has_its_flavor() {}

#[policy::test(crate = policy, worker_threads = 2)]
async fn threads_of_the_default_loop() {}

#[policy::test(crate = policy, flavor = "current_thread", worker_threads = 2)]
async fn threads_of_one_thread() {}

fn main() {}
