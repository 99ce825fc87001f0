//! The folder by which nodes of a host find each other. Needs no namespace.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use lcast_net::registry::{
    Fallback, NAMES_MAX, PEERS_MAX, Peer, Registry, RegistryConfig, Trouble, trouble,
};
use rustix::fs::FlockOperation;

const TAG: u32 = 0xc0ffee;

fn folder(name: &str) -> PathBuf {
    let folder =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    folder
}

fn config(folders: &[&Path], realm_tag: u32) -> RegistryConfig {
    let folders = folders.iter().map(|path| path.to_path_buf()).collect();
    RegistryConfig { folders, fallback: None, realm_tag }
}

fn peer(port: u16) -> Peer {
    Peer { port, hears_multicast: false }
}

fn ports(registry: &mut Registry) -> Vec<u16> {
    registry.peers().iter().map(|peer| peer.port).collect()
}

/// The folder's directory of this network namespace.
fn directory(folder: &Path) -> PathBuf {
    folder.join(fs::metadata("/proc/thread-self/ns/net").unwrap().ino().to_string())
}

/// An entry as a living node of another process has it.
fn living(directory: &Path, port: u16) -> File {
    let file = File::create(directory.join(format!("{TAG:08x}-{port}-u-1"))).unwrap();
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).unwrap();
    file
}

#[test]
fn nodes_of_a_realm_find_each_other_and_leave() {
    let folder = folder("find");
    let mut one = Registry::open(&config(&[&folder], TAG), peer(1)).unwrap();
    assert_eq!(ports(&mut one), []);
    let mut two = Registry::open(&config(&[&folder], TAG), peer(2)).unwrap();
    let mut other = Registry::open(&config(&[&folder], TAG + 1), peer(3)).unwrap();
    assert_eq!(ports(&mut one), [2]);
    assert_eq!(ports(&mut two), [1]);
    assert_eq!(ports(&mut other), []);
    let heard = Peer { port: 2, hears_multicast: true };
    two.update(heard);
    assert_eq!(one.peers(), [heard]);
    drop(two);
    assert_eq!(ports(&mut one), []);
    drop(other);
    assert_eq!(fs::read_dir(directory(&folder)).unwrap().count(), 1);
    drop(one);
    assert!(!directory(&folder).exists());
}

#[test]
fn folders_are_read_together_and_a_node_is_found_once() {
    let (left, right) = (folder("left"), folder("right"));
    let mut both = Registry::open(&config(&[&left, &right], TAG), peer(1)).unwrap();
    let mut one = Registry::open(&config(&[&left], TAG), peer(2)).unwrap();
    let mut two = Registry::open(&config(&[&right], TAG), peer(3)).unwrap();
    let mut again = Registry::open(&config(&[&right, &left], TAG), peer(4)).unwrap();
    assert_eq!(ports(&mut both), [2, 3, 4]);
    assert_eq!(ports(&mut one), [1, 4]);
    assert_eq!(ports(&mut two), [1, 4]);
    assert_eq!(ports(&mut again), [1, 2, 3]);
}

/// Whoever came before somebody took the folder, and whoever comes after, find each other.
#[test]
fn nodes_meet_elsewhere_while_their_folder_is_not_their_own() {
    let (usual, state) = (folder("usual"), folder("state"));
    let away = usual.with_extension("away");
    let _ = fs::remove_dir_all(&away);
    let fallback = Fallback { instead_of: usual.clone(), folder: state.join("deep/.run") };
    let config = RegistryConfig { fallback: Some(fallback), ..config(&[&usual], TAG) };
    let mut one = Registry::open(&config, peer(1)).unwrap();
    assert!(!state.exists(), "it is made only when it is needed");
    // The folder goes, as at a cleaning of /tmp, and somebody puts a link in its place.
    fs::remove_dir_all(&usual).unwrap();
    symlink(&away, &usual).unwrap();
    assert_eq!(trouble(&usual), Some(Trouble::NoFolder));
    let mut two = Registry::open(&config, peer(2)).unwrap();
    assert!(two.is_registered());
    assert_eq!((ports(&mut one), ports(&mut two)), (vec![2], vec![1]));
    // It is mended: old and new meet there.
    fs::remove_file(&usual).unwrap();
    let mut three = Registry::open(&config, peer(3)).unwrap();
    assert_eq!((ports(&mut one), ports(&mut two)), (vec![2, 3], vec![1, 3]));
    assert_eq!(ports(&mut three), [1, 2]);
}

#[test]
fn a_folder_that_is_not_ours_is_known_by_its_owner_and_its_bits() {
    let folder = folder("trouble");
    assert_eq!(trouble(&folder), None, "what is not there can be made");
    fs::create_dir(&folder).unwrap();
    for (bits, expected) in
        [(0o700, None), (0o1777, None), (0o755, None), (0o777, Some(Trouble::Open(0o777)))]
    {
        fs::set_permissions(&folder, fs::Permissions::from_mode(bits)).unwrap();
        assert_eq!(trouble(&folder), expected, "{bits:o}");
    }
    if !rustix::process::geteuid().is_root() {
        assert_eq!(trouble(Path::new("/etc")), Some(Trouble::Owner(0)));
    }
}

#[test]
fn dead_nodes_of_this_user_are_removed() {
    let folder = folder("dead");
    let mut one = Registry::open(&config(&[&folder], TAG), peer(1)).unwrap();
    let directory = directory(&folder);
    let alive = living(&directory, 2);
    let dead = directory.join(format!("{TAG:08x}-3-u-1"));
    File::create(&dead).unwrap();
    assert_eq!(ports(&mut one), [2]);
    assert!(!dead.exists());
    drop(alive);
    File::create(&dead).unwrap();
    assert_eq!(ports(&mut one), []);
}

#[test]
fn what_no_node_writes_is_ignored() {
    let folder = folder("hostile");
    let mut one = Registry::open(&config(&[&folder], TAG), peer(1)).unwrap();
    let directory = directory(&folder);
    let name = |port: u16| directory.join(format!("{TAG:08x}-{port}-u-1"));
    let target = directory.join("target");
    let locked = File::create(&target).unwrap();
    rustix::fs::flock(&locked, FlockOperation::NonBlockingLockExclusive).unwrap();
    symlink(&target, name(2)).unwrap();
    fs::create_dir(name(3)).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o644);
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, name(4), fifo, mode, 0).unwrap();
    for odd in ["x", "c0ffee-5-u-1", "00c0ffee-0-u-1", "00c0ffee-99999-u-1", "\u{ff}"] {
        let file = File::create(directory.join(odd)).unwrap();
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).unwrap();
        std::mem::forget(file);
    }
    let _alive = living(&directory, 9);
    assert_eq!(ports(&mut one), [9]);
    assert!(name(2).is_symlink() && name(3).is_dir() && name(4).exists());
}

#[test]
fn a_folder_that_is_a_link_is_not_used() {
    let (real, link) = (folder("real"), folder("link"));
    fs::create_dir(&real).unwrap();
    let _ = fs::remove_file(&link);
    symlink(&real, &link).unwrap();
    let mut one = Registry::open(&config(&[&link], TAG), peer(1)).unwrap();
    assert!(!one.is_registered());
    assert_eq!(ports(&mut one), []);
    assert_eq!(fs::read_dir(&real).unwrap().count(), 0);
}

#[test]
fn a_folder_that_was_removed_is_made_again() {
    let folder = folder("removed");
    let mut one = Registry::open(&config(&[&folder], TAG), peer(1)).unwrap();
    let mut two = Registry::open(&config(&[&folder], TAG), peer(2)).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(ports(&mut one), []);
    assert_eq!(ports(&mut two), [1]);
    assert_eq!(ports(&mut one), [2]);
    // So is the own entry alone.
    for entry in fs::read_dir(directory(&folder)).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    assert_eq!(ports(&mut one), []);
    assert_eq!(ports(&mut two), [1]);
}

#[test]
fn folders_below_tmp_are_for_all_users_and_others_private() {
    let shared = Path::new("/tmp").join(format!("librecast-test-{}", std::process::id()));
    let private = folder("private");
    for (folder, mode) in [(&shared, 0o1777), (&private, 0o700)] {
        let one = Registry::open(&config(&[folder], TAG), peer(1)).unwrap();
        for path in [folder.clone(), directory(folder)] {
            let metadata = fs::metadata(&path).unwrap();
            assert_eq!(metadata.permissions().mode() & 0o7777, mode, "{path:?}");
        }
        let entry = fs::read_dir(directory(folder)).unwrap().next().unwrap().unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o7777, 0o644);
        assert_eq!(entry.metadata().unwrap().len(), 0);
        drop(one);
        fs::remove_dir(folder).unwrap();
    }
}

#[test]
fn the_dead_of_other_realms_are_removed_and_their_living_stay() {
    let folder = folder("others");
    let one = Registry::open(&config(&[&folder], TAG), peer(1)).unwrap();
    let directory = directory(&folder);
    let other = |port: u16| directory.join(format!("{:08x}-{port}-m-1", TAG + 1));
    File::create(other(2)).unwrap();
    let living = File::create(other(3)).unwrap();
    rustix::fs::flock(&living, FlockOperation::NonBlockingLockExclusive).unwrap();
    let mut two = Registry::open(&config(&[&folder], TAG), peer(4)).unwrap();
    assert_eq!(ports(&mut two), [1]);
    assert_eq!((other(2).exists(), other(3).exists()), (false, true));
    drop(one);
}

/// Else each node of the host would write its entry again and again, and all read that.
#[test]
fn a_node_leaves_its_entry_alone_in_a_folder_too_full_to_be_seen_whole() {
    let folder = folder("full");
    let mut one = Registry::open(&config(&[&folder], TAG), peer(1)).unwrap();
    let directory = directory(&folder);
    for n in 0..3 * NAMES_MAX {
        File::create(directory.join(format!("junk{n}"))).unwrap();
    }
    let own = fs::read_dir(&directory).unwrap().map(|it| it.unwrap());
    let mut own = own.map(|it| it.path()).filter(|it| {
        let name = it.file_name().unwrap().to_str().unwrap();
        name.starts_with(&format!("{TAG:08x}-1-"))
    });
    let own = own.next().unwrap();
    let written = fs::metadata(&directory).unwrap().modified().unwrap();
    one.peers();
    assert_eq!(fs::metadata(&directory).unwrap().modified().unwrap(), written);
    // It is written again when it is really gone.
    fs::remove_file(&own).unwrap();
    one.peers();
    assert!(own.exists());
}

#[test]
fn peers_have_a_limit() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, ..limit };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised).unwrap();
    let folder = folder("limit");
    let mut one = Registry::open(&config(&[&folder], TAG), peer(1)).unwrap();
    let directory = directory(&folder);
    let mut files: Vec<File> =
        (0..PEERS_MAX as u16).map(|n| living(&directory, 1000 + n)).collect();
    assert_eq!(one.peers().len(), PEERS_MAX);
    files.push(living(&directory, 1000 + PEERS_MAX as u16));
    assert_eq!(one.peers().len(), PEERS_MAX);
}

#[test]
fn names_have_a_limit() {
    let folder = folder("names");
    let mut one = Registry::open(&config(&[&folder], TAG), peer(1)).unwrap();
    let directory = directory(&folder);
    // With the node's own and the living peer's: exactly the limit.
    for n in 0..NAMES_MAX - 2 {
        File::create(directory.join(format!("junk{n}"))).unwrap();
    }
    let _alive = living(&directory, 2);
    assert_eq!(ports(&mut one), [2]);
    for n in 0..NAMES_MAX {
        File::create(directory.join(format!("more{n}"))).unwrap();
    }
    // Whether the peer is among those that are looked at depends on the file system.
    assert!(one.peers().len() <= 1);
}
