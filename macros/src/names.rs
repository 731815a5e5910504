//! The name of a test, made from the expression of its policy.

use std::collections::HashSet;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{Expr, Lit};

/// One name for each policy, no two alike.
///
/// `TokioPolicy::multi_thread().worker_threads(2)` is
/// `tokio_multi_thread_worker_threads_2`. The words that say nothing are left
/// out unless two different policies would then share a name; what is still
/// alike is numbered.
pub(crate) fn test_names(policies: &[Expr]) -> Vec<Ident> {
    let candidates: Vec<Candidate> = policies.iter().map(Candidate::new).collect();
    let mut used = HashSet::new();
    policies
        .iter()
        .zip(&candidates)
        .map(|(policy, candidate)| {
            let ambiguous = candidates
                .iter()
                .any(|other| other.short == candidate.short && other.full != candidate.full);
            let name = first_free(candidate.pick(ambiguous), &mut used);
            Ident::new(&name, Span::call_site().located_at(policy.span()))
        })
        .collect()
}

struct Candidate {
    short: String,
    full: String,
}

impl Candidate {
    fn new(policy: &Expr) -> Self {
        let mut segments = Vec::new();
        collect_segments(policy.to_token_stream(), &mut segments);
        let full: Vec<String> = segments.iter().flat_map(|segment| words(segment)).collect();
        let short: Vec<String> = segments
            .iter()
            .filter(|segment| !matches!(segment.as_str(), "new" | "default" | "unwrap"))
            .flat_map(|segment| words(segment))
            .filter(|word| word != "policy")
            .collect();
        Self { short: short.join("_"), full: full.join("_") }
    }

    /// The short name, or the full one where the short one is shared or is no
    /// name at all: empty, a number, a keyword.
    fn pick(&self, ambiguous: bool) -> String {
        if !ambiguous && is_identifier(&self.short) {
            self.short.clone()
        } else if is_identifier(&self.full) {
            self.full.clone()
        } else if self.full.is_empty() {
            String::from("policy")
        } else {
            format!("policy_{}", self.full)
        }
    }
}

/// `name`, or `name_2`, `name_3`…, whichever is the first that is not `used`.
fn first_free(name: String, used: &mut HashSet<String>) -> String {
    // Letters that no identifier may have, such as `²`, end here.
    let name = if is_identifier(&name) { name } else { String::from("policy") };
    if used.insert(name.clone()) {
        return name;
    }
    let mut number: usize = 2;
    loop {
        let numbered = format!("{name}_{number}");
        if used.insert(numbered.clone()) {
            return numbered;
        }
        number += 1;
    }
}

/// Identifiers and literals, in the order in which they are written.
fn collect_segments(tokens: TokenStream, segments: &mut Vec<String>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => collect_segments(group.stream(), segments),
            TokenTree::Ident(ident) => {
                let ident = ident.to_string();
                let ident = ident.strip_prefix("r#").unwrap_or(&ident);
                if !matches!(ident, "crate" | "self" | "super" | "Self") {
                    segments.push(ident.to_owned());
                }
            }
            TokenTree::Literal(literal) => segments.push(match Lit::new(literal) {
                Lit::Str(text) => text.value(),
                Lit::Int(number) => number.base10_digits().to_owned(),
                other => other.to_token_stream().to_string(),
            }),
            TokenTree::Punct(_) => {}
        }
    }
}

/// The words of a segment, in lower case: `HTTPServer`, `http_server` and
/// `"http:server"` are all `http` and `server`.
fn words(segment: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut letters = segment.chars().peekable();
    let mut after_lower = false;
    while let Some(letter) = letters.next() {
        if !letter.is_alphanumeric() {
            words.push(std::mem::take(&mut word));
            after_lower = false;
            continue;
        }
        let before_lower = letters.peek().is_some_and(|next| next.is_lowercase());
        if letter.is_uppercase() && (after_lower || before_lower) {
            words.push(std::mem::take(&mut word));
        }
        word.extend(letter.to_lowercase());
        after_lower = !letter.is_uppercase();
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

/// Whether `text` can stand as the name of a function, without `r#`.
fn is_identifier(text: &str) -> bool {
    syn::parse_str::<Ident>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    fn names(policies: &[Expr]) -> Vec<String> {
        test_names(policies).iter().map(Ident::to_string).collect()
    }

    #[test]
    fn the_path_the_methods_and_the_literals_are_joined() {
        assert_eq!(
            names(&[parse_quote!(TokioPolicy::multi_thread().worker_threads(2_usize))]),
            ["tokio_multi_thread_worker_threads_2"]
        );
    }

    #[test]
    fn words_that_say_nothing_are_left_out() {
        assert_eq!(
            names(&[
                parse_quote!(AsyncStdPolicy::new()),
                parse_quote!(policy::DefaultEventLoopPolicy::default()),
                parse_quote!(crate::support::CountingPolicy(3)),
            ]),
            ["async_std", "default_event_loop", "support_counting_3"]
        );
    }

    #[test]
    fn they_stay_where_two_policies_would_share_a_name() {
        assert_eq!(
            names(&[
                parse_quote!(SmolPolicy::new()),
                parse_quote!(SmolPolicy::default()),
                parse_quote!(TokioPolicy::new()),
            ]),
            ["smol_policy_new", "smol_policy_default", "tokio"]
        );
    }

    #[test]
    fn equal_policies_are_numbered() {
        assert_eq!(
            names(&[
                parse_quote!(SmolPolicy::new()),
                parse_quote!(SmolPolicy::new()),
                parse_quote!(smol_2()),
                parse_quote!(SmolPolicy::new()),
            ]),
            ["smol", "smol_2", "smol_2_2", "smol_3"]
        );
    }

    #[test]
    fn strings_become_words() {
        assert_eq!(
            names(&[parse_quote!(policy::from_name("tokio:multi_thread:4").unwrap())]),
            ["from_name_tokio_multi_thread_4"]
        );
    }

    #[test]
    fn acronyms_are_one_word() {
        assert_eq!(names(&[parse_quote!(IOUringPolicy)]), ["io_uring"]);
    }

    #[test]
    fn what_is_not_an_identifier_gets_a_prefix_or_keeps_its_policy() {
        assert_eq!(
            names(&[
                parse_quote!(LoopPolicy::new()),
                parse_quote!(policy()),
                parse_quote!(4),
                parse_quote!(r#loop),
                parse_quote!(()),
            ]),
            ["loop_policy_new", "policy", "policy_4", "policy_loop", "policy_2"]
        );
    }
}
