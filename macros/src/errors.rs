//! Compile errors, gathered rather than returned.
//!
//! An error never stops the expansion: a function that is still there, with
//! its body, keeps rustc from adding "`main` function not found" and keeps
//! rust-analyzer completing inside it.

use proc_macro2::TokenStream;

/// The errors found so far, in the order in which they were found.
#[derive(Default)]
pub(crate) struct Errors(Option<syn::Error>);

impl Errors {
    pub(crate) fn push(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(first) => first.combine(error),
            none => *none = Some(error),
        }
    }

    /// One `compile_error!` for each error; nothing when there is none.
    pub(crate) fn into_compile_errors(self) -> TokenStream {
        self.0.map_or_else(TokenStream::new, |error| error.into_compile_error())
    }
}
