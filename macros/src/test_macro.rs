//! `#[policy::test]`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Error, Expr, ReturnType, Type};

use crate::args::TestArgs;
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
    } else if let Some(policies) = &args.policies {
        one_per_policy(&function, policies, &args.krate)
    } else {
        on_the_default_loop(&function, &args.krate)
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

/// One function that can run the body under any of the policies, and beside it
/// a module of the same name with one test for each.
///
/// The body, the policies and the return type stay in the scope where the user
/// wrote them. In the module `super::…` would mean something else, and a test
/// named `tokio` would hide a function `tokio()` that makes the policy.
fn one_per_policy(function: &Function, policies: &[Expr], krate: &TokenStream) -> TokenStream {
    let name = function.name();
    let (body_attrs, test_attrs): (Vec<_>, Vec<_>) =
        function.attrs.iter().partition(|attr| is_about_code(attr));

    // Hygienic, so that no policy expression sees it; underscores besides,
    // because a pattern would still match a user's constant of that name.
    let which = Ident::new("__which", Span::mixed_site());
    let runs = policies.iter().enumerate().map(|(index, policy)| {
        let run = quote!(#krate::__private::test_with(#policy, #name));
        // The last one is the tail, so that no arm has to be unreachable.
        if index + 1 == policies.len() { run } else { quote!(if #which == #index { return #run; }) }
    });
    let inner = function.inner();
    let runner = function.runner(
        &quote!(#[cfg(test)] #(#body_attrs)*),
        &quote!(#which: ::core::primitive::usize),
        &quote!(#inner #(#runs)*),
    );

    let output = output_of_a_test(function.output());
    let tests = test_names(policies).into_iter().enumerate().map(|(index, test)| {
        quote! {
            #[::core::prelude::v1::test]
            #(#test_attrs)*
            fn #test() #output { super::#name(#index) }
        }
    });
    // For attribute macros that the user imported, and only for them: the
    // tests themselves name nothing of the user's.
    let import = test_attrs.iter().any(|attr| !is_built_in(attr)).then(|| {
        quote!(
            #[allow(unused_imports)]
            use super::*;
        )
    });
    quote! {
        #runner
        #[cfg(test)]
        mod #name {
            #import
            #(#tests)*
        }
    }
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
