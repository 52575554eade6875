//! Checks names, addresses and ports of hosts, for `url` of sources and of destinations. Contacts nothing. Pure.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Returns why a text cannot be the name or the IPv4 address of a host, with the cure.
pub(super) fn why_not_a_host(host: &str) -> Option<String> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    if let Some(c) = host.chars().find(|c| !is_allowed(*c)) {
        let what = if c.is_whitespace() { "a blank".to_owned() } else { format!("{c:?}") };
        return Some(format!("the host contains {what}; write one host name or address"));
    }
    let labels: Vec<&str> = host.strip_suffix('.').unwrap_or(host).split('.').collect();
    if labels.iter().any(|label| label.is_empty() || label.len() > 63) || host.len() > 254 {
        return Some(format!("{host:?} is not a host name: a part between two dots is empty or too long"));
    }
    let is_number = labels.iter().all(|label| label.bytes().all(|byte| byte.is_ascii_digit()));
    let is_wrong = is_number && host.parse::<Ipv4Addr>().is_err();
    is_wrong.then(|| format!("{host:?} is not an IPv4 address; write four numbers from 0 to 255"))
}

/// Splits `host`, `host:port`, `[v6]` or `[v6]:port`. The host of an IPv6 address has no brackets. The port may be absent.
pub(super) fn split(text: &str) -> Result<(&str, Option<u16>), String> {
    let brackets = "an IPv6 address must be in brackets, such as [2001:db8::1]:6514";
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or(brackets)?;
            let is_followed_by_port = after.is_empty() || after.starts_with(':');
            // A link-local address has the name of an interface behind %.
            let address = host.split('%').next().unwrap_or_default();
            if address.parse::<Ipv6Addr>().is_err() || !is_followed_by_port {
                return Err("is not an IPv6 address in brackets with a port, such as [2001:db8::1]:6514".to_owned());
            }
            (host, after.strip_prefix(':'))
        }
        None if text.matches(':').count() > 1 => return Err(brackets.to_owned()),
        None => {
            let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
            why_not_a_host(host).map_or(Ok(()), Err)?;
            (host, port)
        }
    };
    Ok((host, port.map(number).transpose()?))
}

fn number(port: &str) -> Result<u16, String> {
    let digits = Some(port).filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    let number = digits.and_then(|port| port.parse().ok()).filter(|port| *port > 0);
    number.ok_or_else(|| format!("{port:?} is not a port; write a number from 1 to 65535"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port_are_split_or_refused_with_the_cure() {
        assert_eq!(split("siem.example.com"), Ok(("siem.example.com", None)));
        assert_eq!(split("10.0.0.1:6514"), Ok(("10.0.0.1", Some(6514))));
        assert_eq!(split("[fe80::1%eth0]:514"), Ok(("fe80::1%eth0", Some(514))));
        for (text, cure) in [
            ("::1", "must be in brackets"),
            ("2001:db8::1:6514", "must be in brackets"),
            ("siem:6514:1", "must be in brackets"),
            ("[siem]:1", "is not an IPv6 address in brackets"),
            ("[::1]6514", "is not an IPv6 address in brackets"),
            ("siem:0", "write a number from 1 to 65535"),
            ("siem:", "is not a port"),
            ("siem:+5", "is not a port"),
            ("a,b", "the host contains ','; write one host name"),
            (" siem", "the host contains a blank"),
            ("10.0.0.300", "is not an IPv4 address"),
            ("a..b", "a part between two dots is empty"),
            ("", "a part between two dots is empty"),
        ] {
            let why = split(text).unwrap_err();
            assert!(why.contains(cure), "{text}: {why}");
        }
    }
}
