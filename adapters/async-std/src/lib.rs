//! async-std for event-loop-policy: AsyncStdPolicy.
