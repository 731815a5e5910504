//! What hostile code, a hostile adapter or a hostile peer can't do: the tests beside this
//! file, in a crate with little below it.
