//! What every event loop and policy must keep, as a suite of tests for adapters.
