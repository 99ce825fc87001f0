//! Completions and man pages.

use std::fs;

use crate::command::Home;

#[test]
fn completions_are_for_common_shells() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = home.ok(&["completions", shell]);
        assert!(script.contains("librecast") && script.contains("nodes-from"), "{shell}");
    }
    home.refused(&["completions", "cmd"], &["bash", "zsh"]);
}

#[test]
fn every_verb_has_a_man_page() {
    let home = Home::new();
    home.ok(&["man", "pages/man1"]);
    for verb in ["", "-get", "-set", "-nodes", "-realm", "-realm-issue", "-demo", "-agent"] {
        let name = format!("pages/man1/librecast{verb}.1");
        let page = fs::read_to_string(home.path(&name)).unwrap();
        assert!(page.contains(".TH"), "{name}");
    }
    let page = fs::read_to_string(home.path("pages/man1/librecast-get.1")).unwrap();
    let synopsis = page.lines().find(|line| line.starts_with("\\fBlibrecast get")).unwrap();
    for part in [
        r"[\fB\-\-agg\fR \fIFUNCTION\fR]",
        r"[\fB\-\-nodes\-from\fR \fIFILE|\-\fR]",
        r"[\fB\-\-names\fR]",
    ] {
        assert!(synopsis.contains(part), "{part} is not in {synopsis}");
    }
    home.refused(&["man", "pages/man1/librecast.1"], &["librecast.1", "folder"]);
}
