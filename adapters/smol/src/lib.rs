//! smol for event-loop-policy: SelectorEventLoop and SmolPolicy.
