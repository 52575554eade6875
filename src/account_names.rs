//! Users and groups of this host by passwd(5) and group(5). Accounts that only a directory service knows are not found.

use std::fs;

/// Returns the name of a user for messages and the manifest.
///
/// The environment is not used: its user could set any name.
pub fn user_name(uid: u32) -> String {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let found = users(&passwd).find(|user| user.uid == uid).map(|user| user.name.to_owned());
    found.unwrap_or_else(|| format!("uid {uid}"))
}

/// Returns whether a group is the private group of a user: nobody else is its member. A doubt means no.
///
/// Many distributions give each user such a group, and a umask of 002 with it.
pub fn is_private_group(gid: u32, uid: u32) -> bool {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    is_private(&read("/etc/passwd"), &read("/etc/group"), gid, uid)
}

fn is_private(passwd: &str, groups: &str, gid: u32, uid: u32) -> bool {
    let Some(owner) = users(passwd).find(|user| user.uid == uid) else { return false };
    let is_shared = users(passwd).any(|user| user.gid == gid && user.uid != uid);
    let mut lines = groups.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let group = lines.find(|fields| fields.get(2).and_then(|id| id.parse().ok()) == Some(gid));
    let Some([name, _, _, members]) = group.as_deref() else { return false };
    let has_others = members.split(',').any(|member| !member.is_empty() && member != owner.name);
    owner.gid == gid && *name == owner.name && !is_shared && !has_others
}

struct User<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
}

fn users(passwd: &str) -> impl Iterator<Item = User<'_>> {
    passwd.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let (name, mut ids) = (fields.next()?, fields.skip(1));
        Some(User { name, uid: ids.next()?.parse().ok()?, gid: ids.next()?.parse().ok()? })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_group_without_other_members_is_private() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/:\nbob:x:1001:100::/:\ncy:x:1002:1000::/:\n";
        let only_ann = &passwd[..passwd.find("bob").unwrap()];
        assert!(is_private(only_ann, "ann:x:1000:\n", 1000, 1000));
        assert!(is_private(only_ann, "ann:x:1000:ann\n", 1000, 1000));
        assert!(!is_private(only_ann, "ann:x:1000:bob\n", 1000, 1000), "a member");
        assert!(!is_private(passwd, "ann:x:1000:\n", 1000, 1000), "the primary group of another user");
        assert!(!is_private(passwd, "users:x:100:\n", 100, 1001), "a group for everybody");
        assert!(!is_private(only_ann, "", 1000, 1000) && !is_private("", "ann:x:1000:\n", 1000, 1000), "unknown");
    }

    #[test]
    fn unknown_user_is_shown_by_its_number() {
        assert_eq!((user_name(0).as_str(), user_name(4_000_000_000).as_str()), ("root", "uid 4000000000"));
    }
}
