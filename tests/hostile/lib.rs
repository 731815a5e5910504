//! What hostile code, a hostile adapter or a hostile peer can't do: the tests beside this
//! file, which `ci/sanitize` also runs under the address sanitizer and under valgrind.
