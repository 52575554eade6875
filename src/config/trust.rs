//! Checks that nobody but root and the user of this process can change a file that the configuration consists of.
//!
//! Whoever changes the configuration can send its secrets elsewhere; whoever changes `ca_file` or the exceptions decides what is trusted
//! and accepted. `config` and `reference` call [`check`] before such a file is read. It follows every link and looks at every folder on
//! the way, because a file in a folder of somebody else can be replaced as a whole.

use crate::account_names::{is_private_group, user_name};
use crate::escape::shell_word;
use rustix::fs::getxattr;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// Links that are followed, as many as Linux follows (`path_resolution(7)`).
const MAX_LINKS: usize = 40;

/// Mode bits of the group and of others for writing, and the sticky bit.
const GROUP_WRITE: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// Checks who can change a file. The error says who, and how to end that. A file that does not exist passes.
pub(super) fn check(path: &Path) -> Result<(), String> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    Walk { path: &path, me: rustix::process::geteuid().as_raw() }.check()
}

/// The check of one path for one user.
struct Walk<'a> {
    path: &'a Path,
    me: u32,
}

impl Walk<'_> {
    fn check(&self) -> Result<(), String> {
        let mut at = PathBuf::from("/");
        let mut ahead: VecDeque<OsString> = parts(self.path);
        let mut links = 0;
        self.folder(&at)?;
        while let Some(part) = ahead.pop_front() {
            if part == ".." {
                at.pop();
                continue;
            }
            at.push(part);
            // What is absent or hidden from this user is reported where the file is read.
            let Ok(found) = fs::symlink_metadata(&at) else { return Ok(()) };
            if found.is_symlink() {
                links += 1;
                let Some(target) = fs::read_link(&at).ok().filter(|_| links <= MAX_LINKS) else { return Ok(()) };
                self.link(&at, &found)?;
                at.pop();
                if target.is_absolute() {
                    at = PathBuf::from("/");
                }
                parts(&target).into_iter().rev().for_each(|part| ahead.push_front(part));
            } else if found.is_dir() {
                self.folder(&at)?;
            } else {
                self.file(&at, &found)?;
            }
        }
        Ok(())
    }

    fn file(&self, file: &Path, found: &Metadata) -> Result<(), String> {
        let (shown, word) = (file.display(), shell_word(file));
        if let Some(owner) = self.other_owner(found) {
            let cure = self.chown("chown", file);
            // Root may check a configuration of the service by hand. After a chown the service could not read it.
            let as_owner = format!(
                "run the command as that user: sudo -u {} bt-rollcall …; or, if only root runs it, ",
                shell_word(&owner.replace("uid ", "#"))
            );
            let or = if self.me == 0 { as_owner.as_str() } else { "" };
            return Err(format!("{shown} belongs to the user {owner}, who can change it; {or}run: {cure}"));
        }
        if can_others_write(file, found) {
            return Err(format!("{shown} can be changed by others ({}); run: chmod go-w {word}", mode(found)));
        }
        Ok(())
    }

    fn link(&self, link: &Path, found: &Metadata) -> Result<(), String> {
        let Some(owner) = self.other_owner(found) else { return Ok(()) };
        let (path, shown, cure) = (self.path.display(), link.display(), self.chown("chown -h", link));
        Err(format!("{path}: the link {shown} belongs to the user {owner}, who can change it; run: {cure}"))
    }

    fn folder(&self, folder: &Path) -> Result<(), String> {
        let Ok(found) = fs::metadata(folder) else { return Ok(()) };
        let (path, shown) = (self.path.display(), folder.display());
        if let Some(owner) = self.other_owner(&found) {
            // The folder may be the home of that user, so it is not taken away.
            let (me, name) = (user_name(self.me), self.path.file_name().unwrap_or_default());
            let (from, to) = (shell_word(self.path), shell_word(&Path::new("/etc/bt-rollcall").join(name)));
            return Err(format!(
                "{path}: the user {owner} can replace it, because the folder {shown} belongs to that user; move it to a \
                 folder of root, such as: sudo install -D -o {} -m 600 {from} {to}",
                shell_word(&me)
            ));
        }
        // In a folder with the sticky bit, such as /tmp, only the owner of an entry can replace it.
        if found.mode() & STICKY == 0 && can_others_write(folder, &found) {
            return Err(format!(
                "{path}: others can replace it, because they can change the folder {shown} ({}); run: chmod go-w {}",
                mode(&found),
                shell_word(folder)
            ));
        }
        Ok(())
    }

    /// Returns the owner, unless that is root or the user of this process.
    fn other_owner(&self, found: &Metadata) -> Option<String> {
        (found.uid() != 0 && found.uid() != self.me).then(|| user_name(found.uid()))
    }

    fn chown(&self, command: &str, path: &Path) -> String {
        format!("sudo {command} {} {}", shell_word(&user_name(self.me)), shell_word(path))
    }
}

/// Returns whether the mode lets others write. The private group of a user has no other member. A file of root is not that of a user,
/// so its group may never write.
fn can_others_write(path: &Path, found: &Metadata) -> bool {
    let by_group = found.mode() & GROUP_WRITE != 0;
    // With an access control list the bits of the group are the most that any entry allows.
    let has_list = || getxattr(path, "system.posix_acl_access", &mut [0_u8; 0][..]).is_ok();
    let is_of_user = found.is_dir() || found.uid() != 0;
    let is_private = || is_of_user && is_private_group(found.gid(), found.uid()) && !has_list();
    found.mode() & OTHERS_WRITE != 0 || (by_group && !is_private())
}

/// Returns the names of a path, with `..` among them.
fn parts(path: &Path) -> VecDeque<OsString> {
    let named = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    });
    named.collect()
}

fn mode(found: &Metadata) -> String {
    format!("mode {:04o}", found.mode() & 0o7777)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
    use tempfile::TempDir;

    const NOBODY: u32 = 65_534;

    /// Returns a folder `conf` with a file `c.toml`, and the path of that file.
    fn file(folder_mode: u32, file_mode: u32) -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("conf/c.toml");
        fs::create_dir(folder.path().join("conf")).unwrap();
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(file_mode)).unwrap();
        fs::set_permissions(folder.path().join("conf"), Permissions::from_mode(folder_mode)).unwrap();
        (folder, path)
    }

    fn is_root() -> bool {
        rustix::process::geteuid().is_root()
    }

    fn refusal(path: &Path) -> String {
        check(path).unwrap_err()
    }

    #[test]
    fn file_that_others_may_write_is_refused_with_the_chmod_command() {
        for mode in [0o600, 0o644, 0o444, 0o755] {
            assert_eq!(check(&file(0o755, mode).1), Ok(()));
        }
        for mode in [0o646, 0o666, 0o602] {
            let (_folder, path) = file(0o755, mode);
            let why = refusal(&path);
            assert!(why.contains(&format!("(mode {mode:04o}); run: chmod go-w {}", path.display())), "{why}");
        }
    }

    #[test]
    fn file_in_a_folder_that_others_may_write_is_refused_unless_the_folder_is_sticky() {
        for mode in [0o777, 0o757] {
            let (folder, path) = file(mode, 0o600);
            let why = refusal(&path);
            let cure = format!("run: chmod go-w {}", folder.path().join("conf").display());
            assert!(why.contains("others can replace it") && why.ends_with(&cure), "{why}");
        }
        assert_eq!(check(&file(0o1777, 0o600).1), Ok(()), "such as /tmp");
        let (folder, path) = file(0o755, 0o600);
        fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
        assert!(refusal(&path).contains("others can replace it"), "also a folder further up");
    }

    #[test]
    fn group_of_a_file_of_root_and_shared_groups_may_not_write() {
        if !is_root() {
            return;
        }
        let (_first, path) = file(0o755, 0o660);
        assert!(refusal(&path).contains("chmod go-w"));
        let (_second, path) = file(0o775, 0o600);
        chown(path.parent().unwrap(), None, Some(NOBODY)).unwrap();
        assert!(refusal(&path).contains("others can replace it"));
    }

    #[test]
    fn file_folder_or_link_of_another_user_is_refused_with_a_cure() {
        if !is_root() {
            return;
        }
        let (folder, path) = file(0o755, 0o600);
        let conf = folder.path().join("conf");
        let link = folder.path().join("link");
        symlink(&path, &link).unwrap();
        assert_eq!(check(&link), Ok(()));
        let of = |path: &Path, uid: u32| Walk { path, me: uid }.check();
        assert_eq!(of(&path, NOBODY), Ok(()), "a file of root serves everybody");
        chown(&path, Some(NOBODY), None).unwrap();
        let why = refusal(&path);
        assert!(why.contains("run the command as that user: sudo -u nobody bt-rollcall …"), "{why}");
        assert!(why.ends_with(&format!("run: sudo chown root {}", path.display())), "{why}");
        assert_eq!(of(&path, NOBODY), Ok(()), "its own file");
        chown(&path, Some(0), None).unwrap();
        lchown(&link, Some(NOBODY), None).unwrap();
        assert!(refusal(&link).ends_with(&format!("run: sudo chown -h root {}", link.display())));
        chown(&conf, Some(NOBODY), None).unwrap();
        let why = refusal(&path);
        assert!(
            why.contains("belongs to that user; move it") && why.contains("sudo install -D -o root -m 600"),
            "{why}"
        );
        assert!(of(&path, 1).is_err());
    }

    #[test]
    fn links_of_kubernetes_are_followed_and_absent_files_pass() {
        let (folder, path) = file(0o755, 0o644);
        symlink("conf", folder.path().join("..data")).unwrap();
        symlink("..data/c.toml", folder.path().join("c.toml")).unwrap();
        let link = folder.path().join("c.toml");
        assert_eq!(check(&link), Ok(()));
        fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        assert!(refusal(&link).contains("conf/c.toml can be changed by others"), "the file itself decides");
        assert_eq!(check(&folder.path().join("none/c.toml")), Ok(()));
        symlink("loop", folder.path().join("loop")).unwrap();
        assert_eq!(check(&folder.path().join("loop")), Ok(()), "reading it fails");
    }
}
