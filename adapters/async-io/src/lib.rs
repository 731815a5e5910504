//! What the adapters on async-io share: selector, timer, local tasks, blocking jobs.
