//! Checks the proxy of the environment. The HTTP client ignores a value that it cannot read, and would then contact appliances and
//! receivers past the proxy.

use super::reference::ReferenceContext;
use http::Uri;
use http::uri::Scheme;

/// Variables that name a proxy for https. The HTTP client takes the first of a pair that exists, even if it is empty, and the second
/// pair only if the first one names no proxy.
const PAIRS: [[&str; 2]; 2] = [["HTTPS_PROXY", "https_proxy"], ["ALL_PROXY", "all_proxy"]];

/// Returns why the HTTP client would connect past a proxy that the environment names; `None` if it would not. The value may contain a
/// password, so the text does not quote it.
pub(super) fn problem(context: &ReferenceContext<'_>) -> Option<String> {
    let value = |name: &str| (context.environment)(name);
    if value("NO_PROXY").or_else(|| value("no_proxy")).is_some_and(|hosts| hosts.trim() == "*") {
        return None;
    }
    for [first, second] in PAIRS {
        let is_named = |name: &str| value(name).is_some_and(|value| !value.is_empty());
        if value(first).is_some_and(|value| value.is_empty()) && is_named(second) {
            return Some(format!(
                "the environment variable {first} is empty and hides {second}; unset {first} to use the proxy, or {second} to connect \
                 directly"
            ));
        }
        let name = if is_named(first) { first } else { second };
        match value(name).filter(|value| !value.is_empty()) {
            Some(value) if is_usable(&value) => return None,
            Some(_) => {
                return Some(format!(
                    "the environment variable {name} is not the address of an http or https proxy; write for example \
                     http://proxy.example.com:3128, or unset it"
                ));
            }
            None => {}
        }
    }
    None
}

/// Checks whether the HTTP client can use a value: an authority, with the scheme http, https or none.
fn is_usable(value: &str) -> bool {
    let Ok(uri) = value.parse::<Uri>() else { return false };
    let has_scheme = uri.scheme().is_none_or(|scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS);
    has_scheme && uri.host().is_some_and(|host| !host.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn problem_with(variables: &[(&str, &str)]) -> Option<String> {
        let value =
            |asked: &str| variables.iter().find(|(name, _)| *name == asked).map(|(_, value)| (*value).to_owned());
        problem(&ReferenceContext { environment: &value, folder: PathBuf::new(), reads_secrets: true })
    }

    #[test]
    fn addresses_of_proxies_and_empty_values_are_usable() {
        for value in
            ["", "http://proxy:3128", "https://proxy.example.com", "proxy:3128", "10.0.0.1:8080", "http://u:p@[::1]:1/"]
        {
            assert_eq!(problem_with(&[("HTTPS_PROXY", value)]), None, "{value}");
        }
        assert_eq!(problem_with(&[("HTTP_PROXY", "nonsense value")]), None, "for plain http only");
    }

    #[test]
    fn value_that_the_client_would_ignore_is_a_problem_that_names_the_variable_and_not_the_value() {
        for name in PAIRS.concat() {
            for value in [
                "htp://proxy:3128",
                "http//proxy:3128",
                "http:/proxy:3128",
                "/proxy",
                "http://u:secret@",
                "pro xy:1",
                "socks5://p:1",
                " ",
            ] {
                let found = problem_with(&[(name, value)]).unwrap_or_default();
                assert!(found.contains(name) && !found.contains("secret"), "{value}: {found}");
            }
        }
    }

    #[test]
    fn variables_hide_each_other_as_they_do_for_the_client() {
        let (good, bad) = ("http://proxy:3128", "socks5://proxy:1080");
        assert_eq!(problem_with(&[("HTTPS_PROXY", good), ("ALL_PROXY", bad), ("https_proxy", bad)]), None);
        assert_eq!(problem_with(&[("HTTPS_PROXY", ""), ("ALL_PROXY", good)]), None, "the client takes ALL_PROXY");
        assert_eq!(problem_with(&[("HTTPS_PROXY", bad), ("NO_PROXY", "*")]), None, "no host has a proxy");
        for (hidden, by) in [("https_proxy", "HTTPS_PROXY"), ("all_proxy", "ALL_PROXY")] {
            let found = problem_with(&[(by, ""), (hidden, good)]).unwrap_or_default();
            assert!(found.contains(&format!("{by} is empty and hides {hidden}")), "{found}");
        }
        assert!(problem_with(&[("HTTPS_PROXY", bad), ("ALL_PROXY", good)]).is_some(), "somebody wanted the first one");
    }
}
