//! The options in an attribute's parentheses.
//!
//! A new option is one line in the table of its macro and one arm in the
//! `match` below that table; [`read`] does the rest for every option alike.

use proc_macro2::{TokenStream, TokenTree};
use quote::quote;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Error, Expr, ExprLit, Ident, Lit, LitStr, Path, Token, token};

use crate::errors::Errors;

/// What `#[policy::main(…)]` was asked for.
pub(crate) struct MainArgs {
    pub(crate) krate: TokenStream,
    pub(crate) choice: Choice,
}

/// Where the policy of a program comes from.
pub(crate) enum Choice {
    Default,
    Policy(Box<Expr>),
    Name(LitStr),
    Env(LitStr),
}

/// What `#[policy::test(…)]` was asked for.
pub(crate) struct TestArgs {
    pub(crate) krate: TokenStream,
    /// None: one test, on the default loop.
    pub(crate) policies: Option<Vec<Expr>>,
}

const MAIN_OPTIONS: &[Known] = &[
    Known::equals("policy", "policy = EXPR"),
    Known::equals("name", "name = \"tokio:multi_thread:4\""),
    Known::equals("env", "env = \"EVENT_LOOP_POLICY\""),
    Known::equals("crate", "crate = path::to::policy"),
];

impl MainArgs {
    pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut args = Self { krate: default_crate(), choice: Choice::Default };
        let mut chosen_by: Option<Ident> = None;
        read(tokens, MAIN_OPTIONS, errors, |key, input| {
            if key == "crate" {
                args.krate = crate_path(input)?;
                return Ok(None);
            }
            let value: Expr = input.parse()?;
            if let Some(first) = &chosen_by {
                let message = format!(
                    "`{first}` has already chosen the policy: \
                     keep one of `policy`, `name` and `env`"
                );
                return Ok(Some(Error::new_spanned(key, message)));
            }
            chosen_by = Some(key.clone());
            let choice = match key.to_string().as_str() {
                "name" => string(value, "name", "tokio:multi_thread:4").map(Choice::Name),
                "env" => string(value, "env", "EVENT_LOOP_POLICY").map(Choice::Env),
                _ => not_a_name(value).map(|policy| Choice::Policy(Box::new(policy))),
            };
            match choice {
                Ok(choice) => args.choice = choice,
                Err(refused) => return Ok(Some(refused)),
            }
            Ok(None)
        });
        args
    }
}

const TEST_OPTIONS: &[Known] = &[
    Known::list("policies", "policies(EXPR, EXPR)"),
    Known::equals("crate", "crate = path::to::policy"),
];

impl TestArgs {
    pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut args = Self { krate: default_crate(), policies: None };
        read(tokens, TEST_OPTIONS, errors, |key, input| {
            match key.to_string().as_str() {
                "crate" => args.krate = crate_path(input)?,
                _ => {
                    let policies = list(input)?;
                    if policies.is_empty() {
                        let message = "no policy to test with: write `policies(EXPR, EXPR)`, \
                                       or nothing for the default loop";
                        return Ok(Some(Error::new_spanned(key, message)));
                    }
                    args.policies = Some(policies);
                }
            }
            Ok(None)
        });
        args
    }
}

/// An option that a macro knows.
struct Known {
    key: &'static str,
    /// How to write it: the remedy in the messages.
    form: &'static str,
    style: Style,
}

enum Style {
    /// `key = value`
    Equals,
    /// `key(value, value)`
    List,
}

impl Known {
    const fn equals(key: &'static str, form: &'static str) -> Self {
        let style = Style::Equals;
        Self { key, form, style }
    }

    const fn list(key: &'static str, form: &'static str) -> Self {
        let style = Style::List;
        Self { key, form, style }
    }

    /// Moves to the value; an error when there is none.
    fn seek_value(&self, key: &Ident, input: ParseStream<'_>) -> syn::Result<()> {
        let found = match self.style {
            Style::Equals => {
                let sign = input.parse::<Option<Token![=]>>()?;
                sign.is_some() && !input.is_empty() && !input.peek(Token![,])
            }
            Style::List => input.peek(token::Paren),
        };
        if found {
            return Ok(());
        }
        let message = format!("`{key}` needs a value: write `{}`", self.form);
        Err(Error::new_spanned(key, message))
    }
}

/// Reads all options, and hands each one that `known` lists to `take`, at its
/// value.
///
/// `take` returns an `Err` when the value can't be read, and `Ok(Some(error))`
/// when it was read and isn't wanted: only the second lets the reading go on,
/// because after the first nobody knows where the next option begins.
fn read(
    tokens: TokenStream,
    known: &[Known],
    errors: &mut Errors,
    mut take: impl FnMut(&Ident, ParseStream<'_>) -> syn::Result<Option<Error>>,
) {
    let options = |input: ParseStream<'_>| {
        let mut seen: Vec<Ident> = Vec::new();
        while !input.is_empty() {
            let step = read_one(input, known, &mut seen, &mut take)
                .and_then(|refused| separator(input).map(|()| refused));
            match step {
                Ok(None) => {}
                Ok(Some(refused)) => errors.push(refused),
                Err(error) => {
                    errors.push(error);
                    // What is left is dropped: an unread rest would be one
                    // more error, "unexpected token", from syn.
                    return input.parse::<TokenStream>().map(drop);
                }
            }
        }
        Ok(())
    };
    if let Err(error) = options.parse2(tokens) {
        errors.push(error);
    }
}

/// Reads one option, up to the comma.
fn read_one(
    input: ParseStream<'_>,
    known: &[Known],
    seen: &mut Vec<Ident>,
    take: &mut impl FnMut(&Ident, ParseStream<'_>) -> syn::Result<Option<Error>>,
) -> syn::Result<Option<Error>> {
    let key = input.call(Ident::parse_any).map_err(|error| {
        let message = format!("an option begins with its name: use {}", forms(known));
        Error::new(error.span(), message)
    })?;
    let Some(option) = known.iter().find(|option| key == option.key) else {
        skip_value(input)?;
        let message = format!("unknown option `{key}`: use {}", forms(known));
        return Ok(Some(Error::new_spanned(key, message)));
    };
    if seen.contains(&key) {
        skip_value(input)?;
        let message = format!("`{key}` is given twice: remove one");
        return Ok(Some(Error::new_spanned(key, message)));
    }
    if let Err(error) = option.seek_value(&key, input) {
        skip_value(input)?;
        return Ok(Some(error));
    }
    seen.push(key.clone());
    take(&key, input).map_err(|error| {
        let message = format!("{error}: write `{}`", option.form);
        Error::new(error.span(), message)
    })
}

fn separator(input: ParseStream<'_>) -> syn::Result<()> {
    if input.is_empty() {
        return Ok(());
    }
    let comma = input.parse::<Token![,]>();
    comma
        .map(drop)
        .map_err(|error| Error::new(error.span(), "options are separated: write `,` here"))
}

/// Passes over the value of an option that is refused whatever it says.
fn skip_value(input: ParseStream<'_>) -> syn::Result<()> {
    if input.parse::<Option<Token![=]>>()?.is_some() {
        if !input.is_empty() && !input.peek(Token![,]) {
            input.parse::<Expr>()?;
        }
    } else {
        while !input.is_empty() && !input.peek(Token![,]) {
            input.parse::<TokenTree>()?;
        }
    }
    Ok(())
}

/// All the forms that a macro knows, for the end of a message.
fn forms(known: &[Known]) -> String {
    let forms: Vec<String> = known.iter().map(|option| format!("`{}`", option.form)).collect();
    match forms.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

/// The crate that the expansion calls, where the user names no other.
fn default_crate() -> TokenStream {
    quote!(::policy)
}

fn crate_path(input: ParseStream<'_>) -> syn::Result<TokenStream> {
    if input.peek(LitStr) {
        return Err(input.error("`crate` takes a path and not a string"));
    }
    let path = input.call(Path::parse_mod_style)?;
    Ok(quote!(#path))
}

/// Expressions in parentheses.
fn list(input: ParseStream<'_>) -> syn::Result<Vec<Expr>> {
    let list;
    syn::parenthesized!(list in input);
    let values = Punctuated::<Expr, Token![,]>::parse_terminated(&list);
    // Nothing may stay unread: that would be an error of its own.
    list.parse::<TokenStream>()?;
    Ok(values?.into_iter().collect())
}

/// The string literal that `option` asks for.
fn string(value: Expr, option: &str, example: &str) -> syn::Result<LitStr> {
    match value {
        // A literal that came through a `macro_rules!` metavariable.
        Expr::Group(group) => string(*group.expr, option, example),
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Ok(text),
        other => Err(not_a_string(&other, option, example)),
    }
}

/// Refuses `policy = "tokio"`, for which rustc would only say that `&str` is no
/// policy.
fn not_a_name(value: Expr) -> syn::Result<Expr> {
    if let Expr::Lit(ExprLit { lit: Lit::Str(name), .. }) = &value {
        let name = name.value();
        let message = format!("`policy` takes a policy and not its name: write `name = {name:?}`");
        return Err(Error::new_spanned(value, message));
    }
    Ok(value)
}

fn not_a_string(value: &Expr, option: &str, example: &str) -> Error {
    let message = format!("`{option}` takes a string literal: write `{option} = \"{example}\"`");
    Error::new_spanned(value, message)
}
