//! The default loop where a register has 32 bits, for `ci/i686`. On 64 bits this would be
//! what the root's `tests/conformance.rs` runs, once more.
#![cfg(policy_narrow)]

mod default {
    policy_conformance::suite!(policy::DefaultEventLoopPolicy::new());
}
