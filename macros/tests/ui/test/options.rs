// Each value that can't be meant is refused where it is written.

#[policy::test(requires(wings))]
async fn no_such_capability() {}

#[policy::test(requires())]
async fn nothing_required() {}

#[policy::test(flavor = "vanilla")]
async fn no_such_flavor() {}

#[policy::test(timeout = "5 parsecs")]
async fn no_length_of_time() {}

#[policy::test(timeout = 5)]
async fn no_unit() {}

#[policy::test(clock = "virtual")]
async fn a_string_for_a_clock() {}

#[policy::test(clock = sundial)]
async fn no_such_clock() {}

#[policy::test(all = true)]
async fn a_value_for_all() {}

fn main() {}
