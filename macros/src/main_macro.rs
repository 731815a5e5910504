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

    let inner = function.inner();
    let run = if callable { run(&args, &function) } else { quote!(::core::unreachable!()) };
    let attrs = &function.attrs;
    let outer = function.outer(&quote!(#(#attrs)*), &quote!(#inner #run));
    let errors = errors.into_compile_errors();
    quote!(#outer #errors)
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
