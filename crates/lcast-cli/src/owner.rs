//! Whose files are, and who can change them: whoever can change an agent's configuration runs
//! commands as the agent's user.
//!
//! Not here: who can read a credential, which is refused where it is read ([`lcast::realm`]).

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::doctor::quoted;

/// A user as people know it: by name where it has one, and by number.
pub(crate) fn user(uid: u32) -> String {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let entry = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number.parse() == Ok(uid)).then(|| name.to_owned())
    });
    match entry {
        Some(name) => format!("user '{name}' ({uid})"),
        None => format!("user {uid}"),
    }
}

/// Whether something of this owner is neither root's nor of the user that this process runs as.
pub(crate) fn is_foreign(metadata: &fs::Metadata) -> bool {
    is_other(metadata.uid(), rustix::process::geteuid().as_raw())
}

/// Whether everybody can write a file.
pub(crate) fn is_everybodys(metadata: &fs::Metadata) -> bool {
    metadata.mode() & 0o002 != 0
}

/// What to say of what an agent relies on, when others than root and this user can change it: what
/// it is, whose, and the command that mends it.
pub(crate) fn warning(what: &str, path: &Path) -> Option<String> {
    warning_of(what, path, &fs::metadata(path).ok()?)
}

/// As [`warning`], of a file that was opened, whatever is at its path since.
pub(crate) fn warning_of(what: &str, path: &Path, metadata: &fs::Metadata) -> Option<String> {
    judge(what, path, (metadata.uid(), metadata.mode()), rustix::process::geteuid().as_raw())
}

fn judge(what: &str, path: &Path, (uid, mode): (u32, u32), own: u32) -> Option<String> {
    let is_folder = mode & 0o170_000 == 0o040_000;
    let mode = mode & 0o7777;
    let word = quoted(&path.to_string_lossy());
    let path = path.display();
    if is_other(uid, own) {
        return Some(format!(
            "{what} '{path}' belongs to {} (mode {mode:04o}), who can change what this agent does; \
             look through it, then, as root: chown -h {own} {word}",
            user(uid)
        ));
    }
    // In a folder with the sticky bit everybody can make files, and change none of another's.
    let is_sticky = is_folder && mode & 0o1000 != 0;
    (mode & 0o022 != 0 && !is_sticky).then(|| {
        format!(
            "{what} '{path}' of {} can be changed by others (mode {mode:04o}), who can make this \
             agent run commands; look through it, then: chmod go-w {word}",
            user(uid)
        )
    })
}

const fn is_other(uid: u32, own: u32) -> bool {
    uid != own && uid != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_can_change_what_an_agent_relies_on_is_named() {
        let check = |of: (u32, u32), own: u32, parts: &[&str]| {
            let found = judge("the realm's folder", Path::new("/a b"), of, own);
            assert_eq!(found.is_some(), !parts.is_empty(), "{of:?}: {found:?}");
            let found = found.unwrap_or_default();
            assert!(parts.iter().all(|part| found.contains(part)), "{found}");
        };
        let own = 3_999_999_999;
        for of in [(own, 0o100_600), (0, 0o100_644), (own, 0o040_755), (own, 0o041_777)] {
            check(of, own, &[]);
        }
        let foreign =
            ["folder '/a b'", "user 3999999998", "(mode 0600)", "chown -h 3999999999 '/a b'"];
        check((3_999_999_998, 0o100_600), own, &foreign);
        check((3_999_999_998, 0o100_600), 0, &["user 3999999998", "chown -h 0 "]);
        check((own, 0o100_620), own, &["user 3999999999", "(mode 0620)", "chmod go-w '/a b'"]);
        check((0, 0o040_757), own, &["user 'root' (0)", "(mode 0757)"]);
        // Of a file the sticky bit keeps nobody.
        check((own, 0o101_666), own, &["(mode 1666)", "chmod go-w '/a b'"]);
    }

    #[test]
    fn what_is_there_is_looked_at() {
        assert_eq!(warning("", Path::new("/proc/nonexistent")), None);
        assert!(!is_foreign(&fs::metadata("/proc/self").unwrap()));
        assert!(user(0).contains("'root'"));
    }

    #[test]
    fn a_file_is_judged_as_it_was_opened_whatever_is_at_its_path_since() {
        use std::os::unix::fs::PermissionsExt;

        let name = format!("lcast-owner-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        let (path, other) = (folder.join("agent.toml"), folder.join("other"));
        for (file, mode) in [(&path, 0o666), (&other, 0o600)] {
            fs::write(file, "").unwrap();
            fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
        }
        let (_, metadata) = lcast::file::read_with_metadata(&path, 10).unwrap();
        fs::rename(&other, &path).unwrap();
        assert_eq!(warning("", &path), None);
        let found = warning_of("", &path, &metadata).unwrap();
        assert!(found.contains("can be changed by others (mode 0666)"), "{found}");
        assert!(is_everybodys(&metadata) && !is_everybodys(&fs::metadata(&path).unwrap()));
        fs::remove_dir_all(folder).unwrap();
    }
}
