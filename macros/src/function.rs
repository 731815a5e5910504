//! The function below the attribute, and what both macros make of it.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Error, Ident, Signature, Token, Visibility};

use crate::errors::Errors;

/// An `async fn`, with its body unread.
///
/// The body stays tokens: a typing error in it is then rustc's to report, and
/// rust-analyzer expands the macro while the user is in the middle of a word.
pub(crate) struct Function {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    sig: Signature,
    /// With its braces; none where the user wrote `;`.
    body: Option<TokenStream>,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let sig = input.parse()?;
        let body = if input.peek(Token![;]) {
            input.parse::<Token![;]>()?;
            None
        } else {
            let statements;
            let brace = syn::braced!(statements in input);
            let mut body = TokenStream::new();
            let statements: TokenStream = statements.parse()?;
            brace.surround(&mut body, |body| body.extend(statements));
            Some(body)
        };
        Ok(Self { attrs, vis, sig, body })
    }
}

impl Function {
    /// Reads the item below the attribute `macro_name`.
    ///
    /// # Errors
    ///
    /// Returns the item as it was, followed by a `compile_error!`.
    pub(crate) fn read(item: TokenStream, macro_name: &str) -> Result<Self, TokenStream> {
        syn::parse2(item.clone()).map_err(|error| {
            let message = format!("{error}: put `#[{macro_name}]` on an `async fn`");
            let error = Error::new(error.span(), message).into_compile_error();
            quote!(#item #error)
        })
    }

    pub(crate) fn name(&self) -> &Ident {
        &self.sig.ident
    }

    pub(crate) fn output(&self) -> &syn::ReturnType {
        &self.sig.output
    }

    /// Reports what keeps this function from being called as `name().await`.
    ///
    /// False when no such call can be written; what to emit then is
    /// [`uncallable`](Self::uncallable). A missing `async` is reported and then
    /// supplied.
    pub(crate) fn check(&self, macro_name: &str, errors: &mut Errors) -> bool {
        let sig = &self.sig;
        if sig.asyncness.is_none() {
            let name = &sig.ident;
            errors.push(Error::new_spanned(
                sig.fn_token,
                format!("the `async` keyword is missing: write `async fn {name}()`"),
            ));
        }
        self.check_qualifiers(macro_name, errors);
        if self.body.is_none() {
            errors.push(Error::new_spanned(
                sig,
                format!("a `#[{macro_name}]` function has a body: write `{{ … }}`"),
            ));
        }

        let mut callable = true;
        if !sig.generics.params.is_empty() {
            callable = false;
            errors.push(Error::new_spanned(
                &sig.generics,
                format!(
                    "nothing names the types of a generic `#[{macro_name}]` function: \
                     remove the generic parameters"
                ),
            ));
        }
        if let Some(clause) = &sig.generics.where_clause {
            callable = false;
            errors.push(Error::new_spanned(
                clause,
                format!("a `#[{macro_name}]` function has no bounds: remove the `where` clause"),
            ));
        }
        if let Some(receiver) = sig.receiver() {
            callable = false;
            errors.push(Error::new_spanned(
                receiver,
                format!(
                    "`#[{macro_name}]` has no value to pass as `self`: \
                     move the function out of the `impl`, without `self`"
                ),
            ));
        } else if !sig.inputs.is_empty() || sig.variadic.is_some() {
            callable = false;
            let (inputs, variadic) = (&sig.inputs, &sig.variadic);
            errors.push(Error::new_spanned(
                quote!(#inputs #variadic),
                format!(
                    "nothing passes arguments to a `#[{macro_name}]` function: \
                     remove the arguments"
                ),
            ));
        }
        callable
    }

    fn check_qualifiers(&self, macro_name: &str, errors: &mut Errors) {
        let sig = &self.sig;
        let mut refuse = |qualifier: &dyn ToTokens, word: &str| {
            errors.push(Error::new_spanned(
                qualifier,
                format!("`#[{macro_name}]` takes a plain `async fn`: remove `{word}`"),
            ));
        };
        if let Some(qualifier) = &sig.constness {
            refuse(qualifier, "const");
        }
        if let Some(qualifier) = &sig.unsafety {
            refuse(qualifier, "unsafe");
        }
        if let Some(qualifier) = &sig.abi {
            refuse(qualifier, "extern");
        }
    }

    /// The user's function as the user wrote it, to stand inside the
    /// synchronous one that runs it.
    ///
    /// A function and not an `async` block: rustc gives an `async` block no
    /// expected type, so in a block `Err(Box::new(e))` would not coerce to the
    /// return type, `?` would not know its error type, and a mismatch would be
    /// blamed on the call and not on the line. It keeps its name, so that the
    /// name means inside the body what it says there: an `async fn`.
    pub(crate) fn inner(&self) -> TokenStream {
        let Signature { asyncness, fn_token, ident, generics, inputs, variadic, output, .. } =
            &self.sig;
        // The place of the user's keyword, but marked as made by a macro:
        // otherwise `clippy::unused_async` blames an `async` that we ask for.
        let span = asyncness
            .map_or_else(Span::call_site, |keyword| Span::call_site().located_at(keyword.span));
        let async_token = Token![async](span);
        let where_clause = &generics.where_clause;
        let body = match &self.body {
            Some(body) => body.clone(),
            None => quote!({ ::core::unreachable!() }),
        };
        quote! {
            #async_token #fn_token #ident #generics (#inputs #variadic) #output #where_clause #body
        }
    }

    /// What is left of a function that can't be called: enough for rustc to
    /// find its name and for an editor to know its body, and no cause for more
    /// errors than the ones that `check` reported.
    pub(crate) fn uncallable(&self) -> TokenStream {
        let (attrs, vis) = (&self.attrs, &self.vis);
        let (name, inner) = (&self.sig.ident, self.inner());
        if self.sig.receiver().is_some() {
            // Valid as it stands, and `self` would not be in a nested function.
            return quote!(#(#attrs)* #vis #inner);
        }
        // Without the return type, which may name a generic parameter.
        quote!(#(#attrs)* #vis fn #name() { #inner })
    }

    /// The synchronous function: `statements` after the visibility, the name
    /// and the return type of the user's one.
    pub(crate) fn outer(&self, attrs: &TokenStream, statements: &TokenStream) -> TokenStream {
        self.runner(attrs, &TokenStream::new(), statements)
    }

    /// As [`outer`](Self::outer), with parameters.
    pub(crate) fn runner(
        &self,
        attrs: &TokenStream,
        parameters: &TokenStream,
        statements: &TokenStream,
    ) -> TokenStream {
        let output = &self.sig.output;
        self.runner_of(attrs, parameters, &quote!(#output), statements)
    }

    /// As [`runner`](Self::runner), with another return type.
    pub(crate) fn runner_of(
        &self,
        attrs: &TokenStream,
        parameters: &TokenStream,
        output: &TokenStream,
        statements: &TokenStream,
    ) -> TokenStream {
        let vis = &self.vis;
        let Signature { fn_token, ident, .. } = &self.sig;
        quote! {
            #attrs
            #vis #fn_token #ident(#parameters) #output { #statements }
        }
    }
}
