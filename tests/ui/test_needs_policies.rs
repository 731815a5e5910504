#[policy::test(policies())]
async fn runs_nowhere() {}

fn main() {}
