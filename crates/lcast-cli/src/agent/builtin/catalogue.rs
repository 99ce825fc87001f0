//! The one table of built-in variables: names, types, units, descriptions, origin of the names.
//!
//! The definitions of an agent, `librecast vars --builtin` and the page of the book come from
//! [`CATALOGUE`]. How the values are read is in the modules beside this one, by [`Family`].
// tidy-allow-file(columns): a table, one row a line.

use lcast_proto::value::Type;
use lcast_proto::variable::{Definition, Kind};

use super::family::Family;

/// The release of the OpenTelemetry semantic conventions that the mapping is pinned to.
pub const SEMCONV: &str = "1.44.0";

/// One built-in variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The name with `[*]` in place of keys.
    pub template: &'static str,
    /// The type of its values.
    pub value_type: Type,
    /// The unit, as UCUM writes it.
    pub unit: &'static str,
    /// How the value behaves over time.
    pub kind: Kind,
    /// What is read together with it.
    pub family: Family,
    /// Where the name comes from.
    pub origin: Origin,
    /// One line for people.
    pub description: &'static str,
}

/// Where a name comes from, and how to restore what OpenTelemetry calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The metric or resource attribute of OpenTelemetry; `None` for a name of our own.
    pub otel: Option<&'static str>,
    /// The enumerated attribute, and its value, that became part of the name.
    pub attribute: Option<(&'static str, &'static str)>,
    /// The attribute that became the key of a map.
    pub key: Option<&'static str>,
}

impl Row {
    /// The definition that an agent publishes.
    pub fn definition(&self) -> Definition {
        Definition {
            template: self.template.to_owned(),
            value_type: self.value_type,
            unit: self.unit.to_owned(),
            description: self.description.to_owned(),
            kind: self.kind,
            setting: None,
        }
    }
}

/// All built-in variables, in the order in which people are shown them.
pub const fn catalogue() -> &'static [Row] {
    CATALOGUE
}

/// The definitions of all built-in variables.
pub fn definitions() -> Vec<Definition> {
    CATALOGUE.iter().map(Row::definition).collect()
}

const OWN: Origin = Origin { otel: None, attribute: None, key: None };

const fn own_by(key: &'static str) -> Origin {
    Origin { key: Some(key), ..OWN }
}

const fn otel(name: &'static str) -> Origin {
    Origin { otel: Some(name), ..OWN }
}

const fn state(name: &'static str, attribute: &'static str, value: &'static str) -> Origin {
    Origin { attribute: Some((attribute, value)), ..otel(name) }
}

const fn by(key: &'static str, origin: Origin) -> Origin {
    Origin { key: Some(key), ..origin }
}

const CPU_MODE: &str = "cpu.mode";
const MEMORY: &str = "system.memory.state";
const PAGING: &str = "system.paging.state";
const FAULT: &str = "system.paging.fault.type";
const MOUNT: &str = "system.filesystem.mountpoint";
const MOUNT_STATE: &str = "system.filesystem.state";
const DEVICE: &str = "system.device";
const DISK_WAY: &str = "disk.io.direction";
const NIC: &str = "network.interface.name";
const NIC_WAY: &str = "network.io.direction";
const PROCESS_STATE: &str = "process.state";
const EXECUTABLE: &str = "process.executable.name";
const UNIT: &str = "systemd.unit";

macro_rules! rows {
    ($($template:literal $type:ident $unit:literal $kind:ident $family:ident $origin:expr,
       $description:literal;)*) => {
        &[$(Row {
            template: $template,
            value_type: Type::$type,
            unit: $unit,
            kind: Kind::$kind,
            family: Family::$family,
            origin: $origin,
            description: $description,
        }),*]
    };
}

#[rustfmt::skip]
static CATALOGUE: &[Row] = rows![
"host.name" Text "" Info Host otel("host.name"), "name of the host";
"host.id" Text "" Info Host otel("host.id"), "a hash of the machine-id that only Librecast uses";
"host.arch" Text "" Info Host otel("host.arch"), "processor architecture: amd64, arm64, ...";
"host.ip" List "" Info Host otel("host.ip"), "addresses of the host, loopback ones left out; link-local ones without their interface";
"host.mac" List "" Info Host otel("host.mac"), "link-layer addresses of the host";
"host.cpu.model.name" Text "" Info Host otel("host.cpu.model.name"), "processor model";
"host.virtualization" Text "" Info Host OWN, "what the host runs in: none, kvm, lxc, docker, ...";
"os.type" Text "" Info Host otel("os.type"), "kind of operating system";
"os.name" Text "" Info Host otel("os.name"), "name of the distribution";
"os.version" Text "" Info Host otel("os.version"), "version of the distribution";
"os.description" Text "" Info Host otel("os.description"), "the distribution as it names itself";
"os.kernel.release" Text "" Info Host OWN, "release of the running kernel";
"os.reboot_required" Bool "" Gauge Reboot OWN, "an update waits for a restart of the host";
"system.boot_time" Timestamp "" Info Host OWN, "when the host was started";
"system.uptime" Float "s" Gauge Uptime otel("system.uptime"), "time since the host was started";
"system.clock.synchronized" Bool "" Gauge Clock OWN, "the kernel holds the clock to be synchronized";
"system.clock.offset" Float "s" Gauge Clock OWN, "correction of the clock that the kernel still has to make";
"system.cpu.logical.count" Int "{cpu}" Info Host otel("system.cpu.logical.count"), "processors online, hardware threads counted";
"system.cpu.physical.count" Int "{cpu}" Info Host otel("system.cpu.physical.count"), "processor cores";
"system.cpu.utilization" Float "1" Gauge Stat otel("system.cpu.utilization"), "part of the time, over 10 s, that the processors were not idle";
"system.cpu.time.user" Float "s" Counter Stat state("system.cpu.time", CPU_MODE, "user"), "processor time in programs";
"system.cpu.time.nice" Float "s" Counter Stat state("system.cpu.time", CPU_MODE, "nice"), "processor time in programs of low priority";
"system.cpu.time.system" Float "s" Counter Stat state("system.cpu.time", CPU_MODE, "system"), "processor time in the kernel";
"system.cpu.time.idle" Float "s" Counter Stat state("system.cpu.time", CPU_MODE, "idle"), "processor time without work";
"system.cpu.time.iowait" Float "s" Counter Stat state("system.cpu.time", CPU_MODE, "iowait"), "processor time without work while a disk was waited for";
"system.cpu.time.interrupt" Float "s" Counter Stat state("system.cpu.time", CPU_MODE, "interrupt"), "processor time in interrupts";
"system.cpu.time.steal" Float "s" Counter Stat state("system.cpu.time", CPU_MODE, "steal"), "processor time that the hypervisor gave to others";
"system.cpu.load_1m" Float "{thread}" Gauge Load OWN, "load average over 1 minute";
"system.cpu.load_5m" Float "{thread}" Gauge Load OWN, "load average over 5 minutes";
"system.cpu.load_15m" Float "{thread}" Gauge Load OWN, "load average over 15 minutes";
"system.memory.limit" Int "By" Gauge Memory otel("system.memory.limit"), "main memory";
"system.memory.usage" Int "By" Gauge Memory state("system.memory.usage", MEMORY, "used"), "memory neither free nor cache nor buffer";
"system.memory.free" Int "By" Gauge Memory state("system.memory.usage", MEMORY, "free"), "memory that nothing uses";
"system.memory.cached" Int "By" Gauge Memory state("system.memory.usage", MEMORY, "cached"), "page cache and reclaimable kernel memory";
"system.memory.buffers" Int "By" Gauge Memory state("system.memory.usage", MEMORY, "buffers"), "block device buffers";
"system.memory.shared" Int "By" Gauge Memory state("system.memory.usage", MEMORY, "shared"), "shared memory and tmpfs, part of the cache";
"system.memory.utilization" Float "1" Gauge Memory state("system.memory.utilization", MEMORY, "used"), "part of the memory in use";
"system.memory.linux.available" Int "By" Gauge Memory otel("system.memory.linux.available"), "memory that programs can have without swapping";
"system.paging.limit" Int "By" Gauge Paging OWN, "swap space";
"system.paging.usage" Int "By" Gauge Paging state("system.paging.usage", PAGING, "used"), "swap space in use";
"system.paging.utilization" Float "1" Gauge Paging state("system.paging.utilization", PAGING, "used"), "part of the swap space in use";
"system.paging.faults.major" Int "{fault}" Counter Paging state("system.paging.faults", FAULT, "major"), "page faults that read from a disk";
"system.paging.faults.minor" Int "{fault}" Counter Paging state("system.paging.faults", FAULT, "minor"), "page faults without a read";
"system.filesystem[*].limit" Int "By" Gauge Filesystem by(MOUNT, otel("system.filesystem.limit")), "size of the file system";
"system.filesystem[*].usage" Int "By" Gauge Filesystem by(MOUNT, state("system.filesystem.usage", MOUNT_STATE, "used")), "bytes in use";
"system.filesystem[*].free" Int "By" Gauge Filesystem by(MOUNT, state("system.filesystem.usage", MOUNT_STATE, "free")), "bytes that users can still fill";
"system.filesystem[*].reserved" Int "By" Gauge Filesystem by(MOUNT, state("system.filesystem.usage", MOUNT_STATE, "reserved")), "free bytes kept for root";
"system.filesystem[*].utilization" Float "1" Gauge Filesystem by(MOUNT, state("system.filesystem.utilization", MOUNT_STATE, "used")), "used / (used + free), as df counts";
"system.filesystem[*].inode.utilization" Float "1" Gauge Filesystem own_by(MOUNT), "part of the inodes in use";
"system.filesystem[*].type" Text "" Info Filesystem by(MOUNT, otel("system.filesystem.type")), "kind of file system";
"system.filesystem[*].device" Text "" Info Filesystem by(MOUNT, otel("system.device")), "what is mounted";
"system.filesystem[*].mode" Text "" Info Filesystem by(MOUNT, otel("system.filesystem.mode")), "rw or ro";
"system.disk[*].io.read" Int "By" Counter Disk by(DEVICE, state("system.disk.io", DISK_WAY, "read")), "bytes read";
"system.disk[*].io.write" Int "By" Counter Disk by(DEVICE, state("system.disk.io", DISK_WAY, "write")), "bytes written";
"system.disk[*].operations.read" Int "{operation}" Counter Disk by(DEVICE, state("system.disk.operations", DISK_WAY, "read")), "reads completed";
"system.disk[*].operations.write" Int "{operation}" Counter Disk by(DEVICE, state("system.disk.operations", DISK_WAY, "write")), "writes completed";
"system.disk[*].io_time" Float "s" Counter Disk by(DEVICE, otel("system.disk.io_time")), "time with work in progress";
"system.disk[*].utilization" Float "1" Gauge Disk own_by(DEVICE), "part of the time, over 10 s, with work in progress";
"system.network[*].io.receive" Int "By" Counter Network by(NIC, state("system.network.io", NIC_WAY, "receive")), "bytes received";
"system.network[*].io.transmit" Int "By" Counter Network by(NIC, state("system.network.io", NIC_WAY, "transmit")), "bytes sent";
"system.network[*].rate.receive" Float "By/s" Gauge Network own_by(NIC), "bytes received a second, over 10 s";
"system.network[*].rate.transmit" Float "By/s" Gauge Network own_by(NIC), "bytes sent a second, over 10 s";
"system.network[*].packet.dropped.receive" Int "{packet}" Counter Network by(NIC, state("system.network.packet.dropped", NIC_WAY, "receive")), "packets dropped on receipt";
"system.network[*].packet.dropped.transmit" Int "{packet}" Counter Network by(NIC, state("system.network.packet.dropped", NIC_WAY, "transmit")), "packets dropped on sending";
"system.network[*].packet.errors.receive" Int "{error}" Counter Network by(NIC, state("system.network.errors", NIC_WAY, "receive")), "errors on receipt";
"system.network[*].packet.errors.transmit" Int "{error}" Counter Network by(NIC, state("system.network.errors", NIC_WAY, "transmit")), "errors on sending";
"system.network[*].up" Bool "" Gauge Network own_by(NIC), "the interface works";
"system.network[*].speed" Int "bit/s" Gauge Network own_by(NIC), "speed of the link";
"system.network[*].mtu" Int "By" Gauge Network own_by(NIC), "largest packet";
"system.process.count" Int "{process}" Gauge Process otel("system.process.count"), "processes in all states";
"system.process.running" Int "{process}" Gauge Stat state("system.process.count", PROCESS_STATE, "running"), "threads that run or could run";
"system.process.blocked" Int "{process}" Gauge Stat OWN, "threads that wait for a disk";
"system.process.defunct" Int "{process}" Gauge Defunct state("system.process.count", PROCESS_STATE, "defunct"), "zombies: ended, their parent has not looked";
"system.process.created" Int "{process}" Counter Stat otel("system.process.created"), "processes and threads started since boot";
"system.user.count" Int "{user}" Gauge User OWN, "users logged in";
"systemd.state" Text "" Gauge Systemd OWN, "what systemd says of itself: running, degraded, ...";
"systemd.failed" List "" Gauge Systemd OWN, "units that failed";
"systemd.unit[*].active" Text "" Gauge Systemd own_by(UNIT), "active, inactive, failed, activating, ...";
"systemd.unit[*].sub" Text "" Gauge Systemd own_by(UNIT), "state by type of unit: running, exited, listening, ...";
"systemd.unit[*].since" Timestamp "" Gauge Systemd own_by(UNIT), "when the unit came into this state";
"systemd.unit[*].restarts" Int "{restart}" Gauge Systemd own_by(UNIT), "restarts by systemd";
"hw.temperature[*]" Float "Cel" Gauge Temperature by("hw.id", otel("hw.temperature")), "temperature of a sensor";
"process.executable[*].count" Int "{process}" Gauge Executable by(EXECUTABLE, otel("system.process.count")), "processes of this program (opt-in)";
"process.executable[*].memory.usage" Int "By" Gauge Executable by(EXECUTABLE, otel("process.memory.usage")), "resident memory of its processes together";
"process.executable[*].cpu.utilization" Float "1" Gauge Executable by(EXECUTABLE, otel("process.cpu.utilization")), "processors that its processes kept busy, over 10 s, as part of all";
"librecast.version" Text "" Info Own OWN, "version of this agent";
"librecast.uptime" Float "s" Gauge Own OWN, "time since the agent started";
"librecast.epoch" Int "" Gauge Own OWN, "epoch of the realm's secret that the agent uses";
"librecast.certificate.expires" Timestamp "" Info Own OWN, "when the agent's certificate ends";
"librecast.credential.file" Text "" Info Own OWN, "credential file that the agent was started with; absent where it uses a realm that was joined";
"librecast.packet.sent" Int "{packet}" Counter Own OWN, "packets that the agent sent";
"librecast.packet.received" Int "{packet}" Counter Own OWN, "packets that the agent received";
"librecast.packet.dropped[*]" Int "{packet}" Counter Own own_by("kind"), "packets that the agent dropped, by reason";
"librecast.receive.overflow" Int "{packet}" Counter Own OWN, "packets that the kernel dropped because a receive buffer was full";
"librecast.watch.unrepeated" Int "{packet}" Counter Own OWN, "repeats of messages to watchers that the agent left out because too many waited";
"librecast.path.current" Text "" Gauge Own OWN, "how the agent reaches its realm";
"librecast.path.since" Timestamp "" Gauge Own OWN, "when the agent came to this path";
"librecast.memory.usage" Int "By" Gauge Itself otel("process.memory.usage"), "resident memory of the agent";
"librecast.cpu.utilization" Float "1" Gauge Itself otel("process.cpu.utilization"), "processors that the agent kept busy, over 10 s, as part of all";
"librecast.doctor" List "" Gauge Doctor OWN, "what the agent finds wrong with its host: ids of causes, at most a minute old";
"librecast.doctor_errors" List "" Gauge Doctor OWN, "those of librecast.doctor that are errors; the others are warnings";
"librecast.variable[*].error" Text "" Gauge Configured own_by("variable"), "why a variable could not be read, or is shown only in part; absent otherwise";
"librecast.variable[*].stale" Bool "" Gauge Configured own_by("variable"), "a configured variable was not read for three intervals";
];
