//! The page of the book about built-in variables, from the catalogue.

use std::fmt::Write as _;

use super::catalogue::{Origin, SEMCONV, catalogue};

/// The text of `docs/book/src/builtin.md`.
pub fn markdown() -> String {
    let mut page = HEAD.replace("SEMCONV", SEMCONV);
    for row in catalogue() {
        let (name, unit, origin) = (row.template, row.unit, origin(&row.origin));
        let kind = row.kind.as_str();
        let (value_type, description) = (row.value_type, row.description);
        // Writing to a String cannot fail.
        let _ = writeln!(
            page,
            "| `{name}` | {value_type} | {unit} | {kind} | {description} | {origin} |"
        );
    }
    page
}

fn origin(origin: &Origin) -> String {
    let Some(name) = origin.otel else { return "own".to_owned() };
    let mut parts = vec![format!("`{name}`")];
    parts.extend(origin.attribute.map(|(key, value)| format!("{key}={value}")));
    parts.extend(origin.key.map(|key| format!("key: {key}")));
    parts.join(", ")
}

const HEAD: &str = "\
<!-- Generated from crates/lcast-cli/src/agent/builtin/catalogue.rs; do not edit. -->

# Built-in variables

Every agent publishes these, without any configuration. `librecast vars --builtin` prints the same
table. A variable whose source a host lacks (systemd, swap, sensors) is absent there; that is no
error.

Names and units follow the OpenTelemetry semantic conventions SEMCONV. The last column says what
OpenTelemetry calls a variable, which attribute became part of its name, and which one became the
key in brackets; \"own\" means that there is no such name.

What hardly changes (info) is read at the start of the agent and once a minute, everything else when
it is asked for, at most once a second. File systems, systemd and the doctor may keep a reader
waiting, so an answer holds what was read last, and a question for them has them read anew for the
next one: file systems at most once a second and every ten seconds anyhow, the doctor at most once
in five seconds and every minute anyhow, systemd at most once in thirty seconds and every minute
anyhow. Utilisations and rates are over the last 5 to 15 seconds. Counters grow from the start of
the host. Every value carries its age.

Counters and rates of interfaces are those of the agent's own network namespace. What /sys tells,
`host.mac` and whether an interface is up, its speed and its mtu, is of the namespace in which /sys
was mounted: an agent that `unshare -n` or `nsenter -n` starts shows another's, one that `ip netns
exec` starts its own.

Left out by default are file systems without a disk of their own (tmpfs, overlay, proc, squashfs,
...), the interfaces `lo`, `veth*` and `docker*`, and loop devices. The agent's configuration can
choose file systems, and name programs to be counted:

```toml
[builtin]
filesystem = { include = [\"/run\"], exclude = [\"/mnt/*\", \"nfs*\"] }
processes = [\"nginx\", \"postgres\"]
```

An entry that begins with `/` is compared with mount points, any other with kinds of file systems;
`*` stands for any text. `exclude` wins over `include`.

| name | type | unit | kind | what it says | OpenTelemetry |
|---|---|---|---|---|---|
";
