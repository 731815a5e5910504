#[path = "../../policy/mod.rs"]
#[allow(dead_code, unreachable_pub)]
mod policy;

#[policy::test(crate = policy, policies())]
async fn empty() {}

#[policy::test(crate = policy, policies = [policy::SmolPolicy])]
async fn with_a_sign() {}

#[policy::test(policies, crate = policy)]
async fn alone() {}

#[policy::test(crate = policy, policies(policy::SmolPolicy, +))]
async fn not_an_expression() {}

#[policy::test(crate = policy, policies(policy::SmolPolicy), policies(policy::SmolPolicy))]
async fn twice() {}

fn main() {}
