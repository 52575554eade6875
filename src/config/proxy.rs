//! Checks the proxy of the environment. The HTTP client ignores a value that it cannot read, and would then contact appliances and
//! receivers past the proxy.

use super::reference::ReferenceContext;
use http::Uri;
use http::uri::Scheme;

/// Variables that name a proxy for https, as the HTTP client reads them.
const VARIABLES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// Returns a problem for each variable that is set and not usable. The value may contain a password, so no text quotes it.
pub(super) fn problems(context: &ReferenceContext<'_>) -> Vec<String> {
    let value = |name: &&str| (context.environment)(name).filter(|value| !value.is_empty());
    let unusable = VARIABLES.iter().filter(|name| value(name).is_some_and(|value| !is_usable(&value)));
    let text = |name: &&str| {
        format!(
            "the environment variable {name} is not the address of a proxy; write for example http://proxy.example.com:3128, \
             or unset it to connect directly"
        )
    };
    unusable.map(text).collect()
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

    fn problems_with(name: &str, value: &str) -> Vec<String> {
        let environment = |asked: &str| (asked == name).then(|| value.to_owned());
        problems(&ReferenceContext { environment: &environment, folder: PathBuf::new(), reads_secrets: true })
    }

    #[test]
    fn addresses_of_proxies_and_empty_values_are_usable() {
        for value in
            ["", "http://proxy:3128", "https://proxy.example.com", "proxy:3128", "10.0.0.1:8080", "http://u:p@[::1]:1/"]
        {
            assert_eq!(problems_with("HTTPS_PROXY", value), Vec::<String>::new(), "{value}");
        }
        assert_eq!(problems_with("HTTP_PROXY", "nonsense value"), Vec::<String>::new(), "for plain http only");
    }

    #[test]
    fn value_that_the_client_would_ignore_is_a_problem_that_names_the_variable_and_not_the_value() {
        for name in VARIABLES {
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
                let found = problems_with(name, value);
                assert!(
                    found.len() == 1 && found[0].contains(name) && !found[0].contains("secret"),
                    "{value}: {found:?}"
                );
            }
        }
    }
}
