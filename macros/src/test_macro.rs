//! `#[policy::test]`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Error, Expr, ReturnType, Type};

use crate::args::{Clock, Flavor, On, TestArgs};
use crate::errors::Errors;
use crate::function::Function;
use crate::names::test_names;

pub(crate) const TEST: &str = "policy::test";

pub(crate) fn expand(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut function = match Function::read(item, TEST) {
        Ok(function) => function,
        Err(refused) => return refused,
    };
    let mut errors = Errors::default();
    let args = TestArgs::parse(args, &mut errors);
    function.attrs.retain(|attr| !is_second_test(attr, &mut errors));

    let tests = if !function.check(TEST, &mut errors) {
        let attrs = &function.attrs;
        let inner = function.inner();
        function.outer(&quote!(#[cfg(test)] #(#attrs)*), &quote!(#inner ::core::unreachable!()))
    } else {
        match &args.on {
            On::Default if args.options.is_empty() => on_the_default_loop(&function, &args.krate),
            On::Default => with_options(&function, &args),
            On::Policies(policies) => one_per_policy(&function, policies, &args),
            On::All => one_per_loop(&function, &args),
        }
    };
    let errors = errors.into_compile_errors();
    quote!(#tests #errors)
}

fn on_the_default_loop(function: &Function, krate: &TokenStream) -> TokenStream {
    let name = function.name();
    let attrs = &function.attrs;
    let inner = function.inner();
    function.outer(
        &quote!(#[::core::prelude::v1::test] #(#attrs)*),
        &quote!(#inner #krate::__private::test_default(#name)),
    )
}

/// One test, on the default loop or on another of its executor.
fn with_options(function: &Function, args: &TestArgs) -> TokenStream {
    let name = function.name();
    let (attrs, krate, options) = (&function.attrs, &args.krate, options(function, args));
    let inner = function.inner();
    let multi_thread = args.options.flavor == Some(Flavor::MultiThread);
    let (output, run) =
        reported(function, &quote!(#krate::__private::test_flavor(#multi_thread, #options, #name)));
    function.runner_of(
        &quote!(#[::core::prelude::v1::test] #(#attrs)*),
        &TokenStream::new(),
        &output,
        &quote!(#inner #run),
    )
}

/// One test for each loop that is compiled into `policy`: which these are, only that
/// crate knows, so a macro of its own makes them.
fn one_per_loop(function: &Function, args: &TestArgs) -> TokenStream {
    let name = function.name();
    let (krate, options) = (&args.krate, options(function, args));
    let (body_attrs, test_attrs): (Vec<_>, Vec<_>) =
        function.attrs.iter().partition(|attr| is_about_code(attr));
    let which = Ident::new("__which", Span::mixed_site());
    let inner = function.inner();
    let (output, run) =
        reported(function, &quote!(#krate::__private::test_loop(#which, #options, #name)));
    let runner = function.runner_of(
        &quote!(#[cfg(test)] #(#body_attrs)*),
        &quote!(#which: &'static ::core::primitive::str),
        &output,
        &quote!(#inner #run),
    );
    let flavor = match args.options.flavor {
        None => quote!(any),
        Some(Flavor::CurrentThread) => quote!(current_thread),
        Some(Flavor::MultiThread) => quote!(multi_thread),
    };
    let import = import(&test_attrs);
    quote! {
        #runner
        #krate::__private::each_loop! {
            #flavor #name { #import } [ #(#test_attrs)* ] [ #output ]
        }
    }
}

/// The return type of a test that may be skipped, and whose result so is reported
/// where it is run; and `call` in such a function.
fn reported(function: &Function, call: &TokenStream) -> (TokenStream, TokenStream) {
    if output_of_a_test(function.output()).is_empty() {
        // `#[should_panic]` is for tests that return `()`.
        return (TokenStream::new(), quote!(let _: ::std::process::ExitCode = #call;));
    }
    (quote!(-> ::std::process::ExitCode), call.clone())
}

/// The options, as a value of `policy::__private::TestOptions`.
fn options(function: &Function, args: &TestArgs) -> TokenStream {
    let (krate, options) = (&args.krate, &args.options);
    let name = function.name().to_string();
    let requires = &options.requires;
    let timeout = optional(options.timeout.as_ref());
    let worker_threads = optional(options.worker_threads.as_ref());
    let clock = match options.clock {
        None => quote!(Real),
        Some(Clock::Virtual) => quote!(Virtual),
        Some(Clock::Manual) => quote!(Manual),
    };
    quote! {
        #krate::__private::TestOptions {
            name: ::core::concat!(::core::module_path!(), "::", #name),
            requires: &[#(#requires),*],
            worker_threads: #worker_threads,
            timeout: #timeout,
            clock: #krate::__private::TestClock::#clock,
        }
    }
}

fn optional(value: Option<&impl ToTokens>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}

/// One function that can run the body under any of the policies, and beside it
/// a module of the same name with one test for each.
///
/// The body, the policies and the return type stay in the scope where the user
/// wrote them. In the module `super::…` would mean something else, and a test
/// named `tokio` would hide a function `tokio()` that makes the policy.
fn one_per_policy(function: &Function, policies: &[Expr], args: &TestArgs) -> TokenStream {
    let name = function.name();
    let krate = &args.krate;
    let (body_attrs, test_attrs): (Vec<_>, Vec<_>) =
        function.attrs.iter().partition(|attr| is_about_code(attr));

    // Hygienic, so that no policy expression sees it; underscores besides,
    // because a pattern would still match a user's constant of that name.
    let which = Ident::new("__which", Span::mixed_site());
    let tests = test_names(policies);
    let plain = args.options.is_empty();
    let options = options(function, args);
    let runs = policies.iter().zip(&tests).enumerate().map(|(index, (policy, test))| {
        let run = if plain {
            quote!(#krate::__private::test_with(#policy, #name))
        } else {
            let test = test.to_string();
            quote!(#krate::__private::test_policy(#policy, #test, #options, #name))
        };
        // The last one is the tail, so that no arm has to be unreachable.
        if index + 1 == policies.len() { run } else { quote!(if #which == #index { return #run; }) }
    });
    let inner = function.inner();
    let attrs = quote!(#[cfg(test)] #(#body_attrs)*);
    let parameters = quote!(#which: ::core::primitive::usize);
    let statements = quote!(#inner #(#runs)*);
    let declared = output_of_a_test(function.output());
    let (runner, output) = if plain {
        (function.runner(&attrs, &parameters, &statements), declared)
    } else {
        let code = quote!(-> ::std::process::ExitCode);
        let runner = function.runner_of(&attrs, &parameters, &code, &statements);
        (runner, if declared.is_empty() { declared } else { code })
    };
    let discards = !plain && output.is_empty();

    let tests = tests.into_iter().enumerate().map(|(index, test)| {
        let call = quote!(super::#name(#index));
        let call = if discards { quote!(let _: ::std::process::ExitCode = #call;) } else { call };
        quote! {
            #[::core::prelude::v1::test]
            #(#test_attrs)*
            fn #test() #output { #call }
        }
    });
    let import = import(&test_attrs);
    quote! {
        #runner
        #[cfg(test)]
        mod #name {
            #import
            #(#tests)*
        }
    }
}

/// For attribute macros that the user imported, and only for them: the tests
/// themselves name nothing of the user's.
fn import(test_attrs: &[&Attribute]) -> Option<TokenStream> {
    test_attrs.iter().any(|attr| !is_built_in(attr)).then(|| {
        quote!(
            #[allow(unused_imports)]
            use super::*;
        )
    })
}

/// How a test in the module declares what it returns.
///
/// The type itself can't be repeated there, where its name may mean nothing.
fn output_of_a_test(output: &ReturnType) -> TokenStream {
    match output {
        ReturnType::Default => TokenStream::new(),
        // `#[should_panic]` is for tests that return `()`, and reads the text.
        ReturnType::Type(_, ty) if matches!(&**ty, Type::Tuple(unit) if unit.elems.is_empty()) => {
            TokenStream::new()
        }
        ReturnType::Type(_, ty) => {
            let span = Span::call_site().located_at(ty.span());
            quote_spanned!(span=> -> impl ::std::process::Termination)
        }
    }
}

/// True of attributes about the code in the body: they stay with it, and the
/// rest (`#[ignore]`, `#[should_panic]`, other crates' macros) goes to each
/// test.
fn is_about_code(attr: &Attribute) -> bool {
    const LINT_LEVELS: [&str; 5] = ["allow", "deny", "expect", "forbid", "warn"];
    let path = attr.path();
    let tool = path.segments.first().is_some_and(|first| {
        path.segments.len() > 1 && (first.ident == "clippy" || first.ident == "rustfmt")
    });
    tool || LINT_LEVELS.iter().any(|level| path.is_ident(level))
}

fn is_built_in(attr: &Attribute) -> bool {
    const BUILT_IN: [&str; 6] = ["cfg", "cfg_attr", "doc", "ignore", "must_use", "should_panic"];
    BUILT_IN.iter().any(|name| attr.path().is_ident(name))
}

/// Reports a `#[test]` below ours, with which each test would run twice.
fn is_second_test(attr: &Attribute, errors: &mut Errors) -> bool {
    let path: Vec<String> =
        attr.path().segments.iter().map(|segment| segment.ident.to_string()).collect();
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let second = matches!(path.as_slice(), ["test"] | ["core" | "std", "prelude", _, "test"]);
    if second {
        errors.push(Error::new_spanned(
            attr.to_token_stream(),
            format!("`#[{TEST}]` already makes this a test: remove `#[test]`"),
        ));
    }
    second
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expansion_with(attr: &TokenStream) -> String {
        let item = quote!(#attr async fn name() {});
        expand(quote!(policies(SmolPolicy)), item).to_string()
    }

    #[test]
    fn an_imported_attribute_macro_is_found_from_the_module() {
        assert!(expansion_with(&quote!(#[traced_test])).contains("use super :: *"));
    }

    #[test]
    fn without_one_nothing_is_imported() {
        for attr in [quote!(#[ignore]), quote!(#[allow(unused)]), quote!()] {
            assert!(!expansion_with(&attr).contains("use super :: *"));
        }
    }
}
