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
    pub(crate) on: On,
    pub(crate) options: TestOptions,
}

/// Which loops a test runs on.
pub(crate) enum On {
    Default,
    Policies(Vec<Expr>),
    All,
}

/// How a test is run.
#[derive(Default)]
pub(crate) struct TestOptions {
    /// The loop's capabilities that the test needs.
    pub(crate) requires: Vec<String>,
    pub(crate) flavor: Option<Flavor>,
    pub(crate) worker_threads: Option<Expr>,
    /// An expression of type `Duration`.
    pub(crate) timeout: Option<TokenStream>,
    pub(crate) clock: Option<Clock>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavor {
    CurrentThread,
    MultiThread,
}

#[derive(Clone, Copy)]
pub(crate) enum Clock {
    Virtual,
    Manual,
}

impl TestOptions {
    /// Returns true where the plain form will do.
    pub(crate) fn is_empty(&self) -> bool {
        let Self { requires, flavor, worker_threads, timeout, clock } = self;
        requires.is_empty()
            && flavor.is_none()
            && worker_threads.is_none()
            && timeout.is_none()
            && clock.is_none()
    }
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
    Known::flag("all", "all"),
    Known::list("policies", "policies(EXPR, EXPR)"),
    Known::list("requires", "requires(children, jump)"),
    Known::equals("flavor", "flavor = \"multi_thread\""),
    Known::equals("worker_threads", "worker_threads = 2"),
    Known::equals("timeout", "timeout = \"5s\""),
    Known::equals("clock", "clock = virtual"),
    Known::equals("crate", "crate = path::to::policy"),
];

/// What `requires` may name. `policy::__private` asks the loop for each of them.
const CAPABILITIES: &[&str] =
    &["children", "jump", "local", "net", "proactor", "selector", "signals"];

impl TestArgs {
    pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut args = Self { krate: default_crate(), on: On::Default, options: <_>::default() };
        // The options that were given, for what excludes what.
        let mut given: Vec<Ident> = Vec::new();
        read(tokens, TEST_OPTIONS, errors, |key, input| {
            given.push(key.clone());
            args.take(key, input)
        });
        args.check(&given, errors);
        args
    }

    fn take(&mut self, key: &Ident, input: ParseStream<'_>) -> syn::Result<Option<Error>> {
        let options = &mut self.options;
        match key.to_string().as_str() {
            "crate" => self.krate = crate_path(input)?,
            "all" => self.on = On::All,
            "policies" => {
                let policies = list(input)?;
                if policies.is_empty() {
                    let message = "no policy to test with: write `policies(EXPR, EXPR)`, \
                                   or nothing for the default loop";
                    return Ok(Some(Error::new_spanned(key, message)));
                }
                self.on = On::Policies(policies);
            }
            "requires" => return capabilities(input).map(|read| set(read, &mut options.requires)),
            "flavor" => return flavor(input).map(|read| set(read, &mut options.flavor)),
            "worker_threads" => options.worker_threads = Some(input.parse()?),
            "timeout" => {
                return duration(input.parse()?).map(|read| set(read, &mut options.timeout));
            }
            _ => return clock(input).map(|read| set(read, &mut options.clock)),
        }
        Ok(None)
    }

    fn check(&mut self, given: &[Ident], errors: &mut Errors) {
        let find = |key: &str| given.iter().find(|given| *given == key);
        let mut refuse = |key: &Ident, message: &str| errors.push(Error::new_spanned(key, message));
        if let (Some(all), Some(_)) = (find("all"), find("policies")) {
            refuse(all, "`all` and `policies` exclude each other: keep one");
        }
        if find("policies").is_some() {
            for key in ["flavor", "worker_threads"] {
                if let Some(key) = find(key) {
                    let message = format!(
                        "a policy says its `{key}` itself: write \
                         `policies(TokioPolicy::multi_thread().worker_threads(2))`"
                    );
                    refuse(key, &message);
                }
            }
        } else if let Some(threads) = find("worker_threads") {
            let flavor = self.options.flavor;
            let all = matches!(self.on, On::All);
            if flavor == Some(Flavor::CurrentThread) || (flavor.is_none() && !all) {
                let message = "only multi-threaded loops have worker threads: \
                               add `flavor = \"multi_thread\"`, or `all`";
                refuse(threads, message);
            }
        }
    }
}

/// Keeps what was read, or gives the reason why it isn't wanted.
fn set<T, P: From<T>>(read: Result<T, Error>, place: &mut P) -> Option<Error> {
    match read {
        Ok(value) => {
            *place = value.into();
            None
        }
        Err(refused) => Some(refused),
    }
}

fn capabilities(input: ParseStream<'_>) -> syn::Result<Result<Vec<String>, Error>> {
    let list;
    let parens = syn::parenthesized!(list in input);
    let names = Punctuated::<Ident, Token![,]>::parse_terminated_with(&list, Ident::parse_any);
    list.parse::<TokenStream>()?;
    let known = CAPABILITIES.join("`, `");
    let mut found = Vec::new();
    for name in names? {
        if !CAPABILITIES.iter().any(|known| name == known) {
            let message = format!("no loop has a capability `{name}`: use `{known}`");
            return Ok(Err(Error::new_spanned(name, message)));
        }
        found.push(name.to_string());
    }
    if found.is_empty() {
        let message = format!("nothing is required: name some of `{known}`");
        return Ok(Err(Error::new(parens.span.join(), message)));
    }
    Ok(Ok(found))
}

fn flavor(input: ParseStream<'_>) -> syn::Result<Result<Flavor, Error>> {
    let text = match string(input.parse()?, "flavor", "multi_thread") {
        Ok(text) => text,
        Err(refused) => return Ok(Err(refused)),
    };
    Ok(match text.value().as_str() {
        "current_thread" => Ok(Flavor::CurrentThread),
        "multi_thread" => Ok(Flavor::MultiThread),
        other => {
            let message = format!(
                "no loop has the flavor {other:?}: use `\"current_thread\"` or `\"multi_thread\"`"
            );
            Err(Error::new_spanned(text, message))
        }
    })
}

fn clock(input: ParseStream<'_>) -> syn::Result<Result<Clock, Error>> {
    let remedy = "write `clock = virtual`, or `clock = manual`, which does not jump";
    if let Ok(text) = input.fork().parse::<LitStr>() {
        input.parse::<LitStr>()?;
        let message = format!("`clock` takes a word and not a string: {remedy}");
        return Ok(Err(Error::new_spanned(text, message)));
    }
    // `virtual` is a reserved word.
    let word = input.call(Ident::parse_any)?;
    Ok(match word.to_string().as_str() {
        "virtual" => Ok(Clock::Virtual),
        "manual" => Ok(Clock::Manual),
        other => Err(Error::new_spanned(&word, format!("there is no clock `{other}`: {remedy}"))),
    })
}

/// An expression of type `Duration`, or a string that says how long.
fn duration(value: Expr) -> syn::Result<Result<TokenStream, Error>> {
    let text = match value {
        Expr::Group(group) => return duration(*group.expr),
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => text,
        Expr::Lit(other) => {
            let message = "`timeout` needs a unit: write `timeout = \"5s\"`, or an expression of \
                           type `Duration`";
            return Ok(Err(Error::new_spanned(other, message)));
        }
        expression => return Ok(Ok(quote!(#expression))),
    };
    let written = text.value();
    let digits = written.find(|c: char| !c.is_ascii_digit()).unwrap_or(written.len());
    let (count, unit) = written.split_at(digits);
    let unit: Option<u64> = match unit.trim_start() {
        "ms" => Some(1),
        "s" => Some(1000),
        "m" => Some(60_000),
        _ => None,
    };
    let count = count.parse::<u64>().ok().filter(|count| *count > 0);
    let Some(millis) = count.zip(unit).and_then(|(count, unit)| count.checked_mul(unit)) else {
        let message =
            format!("{written:?} is no length of time: write `\"500ms\"`, `\"5s\"` or `\"2m\"`");
        return Ok(Err(Error::new_spanned(text, message)));
    };
    Ok(Ok(quote!(::core::time::Duration::from_millis(#millis))))
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
    /// `key`
    Flag,
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

    const fn flag(key: &'static str, form: &'static str) -> Self {
        let style = Style::Flag;
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
            Style::Flag if input.is_empty() || input.peek(Token![,]) => return Ok(()),
            Style::Flag => {
                let message = format!("`{key}` takes no value: write `{}`", self.form);
                return Err(Error::new_spanned(key, message));
            }
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
