//! `#[policy::main]`.

use proc_macro2::TokenStream;
use quote::quote;

use crate::args::{Choice, MainArgs};
use crate::errors::Errors;
use crate::function::Function;

pub(crate) const MAIN: &str = "policy::main";

pub(crate) fn expand(args: TokenStream, item: TokenStream) -> TokenStream {
    let function = match Function::read(item, MAIN) {
        Ok(function) => function,
        Err(refused) => return refused,
    };
    let mut errors = Errors::default();
    let args = MainArgs::parse(args, &mut errors);
    let callable = function.check(MAIN, &mut errors);

    let main = if callable {
        let (attrs, inner) = (&function.attrs, function.inner());
        let run = run(&args, &function);
        function.outer(&quote!(#(#attrs)*), &quote!(#inner #run))
    } else {
        function.uncallable()
    };
    let errors = errors.into_compile_errors();
    quote!(#main #errors)
}

/// The call that runs the user's function to its end.
fn run(args: &MainArgs, function: &Function) -> TokenStream {
    let krate = &args.krate;
    let name = function.name();
    match &args.choice {
        Choice::Default => quote!(#krate::__private::main_default(#name())),
        Choice::Policy(policy) => quote!(#krate::__private::main_with(#policy, #name())),
        Choice::Name(text) => quote!(#krate::__private::main_named(#text, #name())),
        Choice::Env(variable) => quote!(#krate::__private::main_from_env(#variable, #name())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_does_not_parse_is_left_to_rustc() {
        let expansion = expand(
            TokenStream::new(),
            quote!(
                async fn main() {
                    let half = ;
                    server.
                }
            ),
        );
        assert!(!expansion.to_string().contains("compile_error"));
        assert!(expansion.to_string().contains("let half = ; server ."));
    }

    #[test]
    fn an_option_that_does_not_parse_leaves_the_function() {
        let expansion = expand(
            quote!(policy = TokioPolicy::),
            quote!(
                async fn main() {}
            ),
        );
        assert!(expansion.to_string().contains("compile_error"));
        assert!(expansion.to_string().contains("main_default"));
    }
}
