//! Every promise that an event loop makes, kept by this one.

policy_conformance::suite!(my_loop::policy());
