// Options that exclude each other, or need each other.

#[policy::test(all, policies(policy::DefaultEventLoopPolicy::new()))]
async fn all_and_some() {}

#[policy::test(policies(policy::DefaultEventLoopPolicy::new()), flavor = "multi_thread")]
async fn a_policy_has_its_flavor() {}

#[policy::test(worker_threads = 2)]
async fn threads_of_the_default_loop() {}

#[policy::test(flavor = "current_thread", worker_threads = 2)]
async fn threads_of_one_thread() {}

fn main() {}
