//! Refusals in the words of appliances, firewalls and proxies.

use super::*;
use reqwest::StatusCode;

fn answer(headers: &[(&'static str, &'static str)], body: &str) -> HttpResponse {
    let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
    HttpResponse { status: StatusCode::FORBIDDEN, headers, body: body.as_bytes().to_vec() }
}

fn kind(headers: &[(&'static str, &'static str)], body: &str) -> WireErrorKind {
    forbidden(&answer(headers, body), &[])
}

#[test]
fn a_403_of_the_api_means_that_the_account_lacks_a_right() {
    for body in [
        "",
        "{\"message\":\"Forbidden\"}",
        "{\"message\":\"behind the proxy of the firewall\"}",
        "\"You are not allowed\"",
        "Role: User Accounts Management - Read",
        "<Error>denied</Error>",
    ] {
        assert_eq!(kind(&[("via", "1.1 lb")], body), WireErrorKind::Forbidden, "{body}");
    }
    assert_eq!(kind(&[("content-type", "text/html")], ""), WireErrorKind::Forbidden, "an empty body is not a page");
}

#[test]
fn a_403_with_a_page_or_text_of_a_firewall_is_reported_as_one() {
    let page = "<!DOCTYPE html><html><head><title>Request Rejected</title></head></html>";
    let WireErrorKind::Firewall(why) = kind(&[("server", "BigIP"), ("via", "1.1 edge")], page) else { panic!("page") };
    assert_eq!(why, "403 with an HTML page, titled \"Request Rejected\"; Server: BigIP; Via: 1.1 edge");
    let WireErrorKind::Firewall(why) = kind(&[("content-type", "Text/HTML; charset=utf-8")], "<h1>Denied</h1>") else {
        panic!("by its type")
    };
    assert_eq!(why, "403 with an HTML page");
    let WireErrorKind::Firewall(why) = kind(&[], "Blocked by Zscaler policy") else { panic!("text") };
    assert_eq!(why, "403 with a text that names \"zscaler\"");
}

#[test]
fn a_403_for_the_source_address_is_reported_as_one() {
    for body in ["4031 - Source IP address is not valid", "\"4031 Invalid source\"", "\u{feff}4031"] {
        assert_eq!(kind(&[("content-type", "text/html")], body), WireErrorKind::AddressRefused, "{body}");
    }
    for other in ["4032 something else", "40310"] {
        assert_eq!(kind(&[], other), WireErrorKind::Forbidden, "{other}");
    }
}

#[test]
fn a_redirect_is_reported_with_its_target_but_without_the_query() {
    for (location, expected) in [
        (
            "https://idp.example.com/saml?SAMLRequest=abc",
            "a redirect (403) to https://idp.example.com/saml instead of a token",
        ),
        ("/login;jsessionid=abc", "a redirect (403) to /login instead of a token"),
        ("/WebConsole/index.html", "a redirect (403) to /WebConsole/index.html instead of a token"),
        ("/s/deadbeefdeadbeef99", "a redirect (403) to /s/*** instead of a token"),
    ] {
        assert_eq!(redirected(&answer(&[("location", location)], ""), "a token", &[]), expected);
    }
    assert_eq!(redirected(&answer(&[], ""), "a token", &[]), "a redirect (403) instead of a token");
}

#[test]
fn a_demand_for_a_second_factor_is_not_reported_as_a_wrong_password() {
    let mut headers = HeaderMap::new();
    assert_eq!(unauthorized(&headers), WireErrorKind::Unauthorized);
    headers.insert("WWW-Authenticate-2FA", "challenge".parse().unwrap());
    assert_eq!(unauthorized(&headers), WireErrorKind::SecondFactor);
}
