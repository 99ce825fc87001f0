package LcastLab;

# A network of its own for a test, and in it a realm with real agents.
#
#     use lib 't/lib';
#     use LcastLab;                    # the test begins anew in a namespace
#     my $lab = LcastLab->new(qw(web1 web2));
#
# LIBRECAST_BIN names the program librecast. Without it, or where no namespace can be made, the test
# is skipped; with LCAST_TEST_REQUIRED it fails.

use 5.020;
use strict;
use warnings;

use Cwd ();
use File::Temp ();
use IO::Socket::UNIX ();
use POSIX ();
use Socket qw(SOCK_DGRAM);
use Time::HiRes ();

my $SETUP = <<'SETUP';
set -e
ip link set lo up
ip link add lcast0 type veth peer name lcast1
ip link set lcast0 addrgenmode none
ip link set lcast0 up
ip link set lcast1 up
ip address add fe80::1ab/64 dev lcast0 nodad
exec "$@"
SETUP

my $CONFIG = <<'CONFIG';
[[variable]]
name = "app.owner"
value = "team-%s"

[[setting]]
name = "app.greeting"
type = "text"
max_len = 64
default = ""

[[setting]]
name = "app.level"
type = "float"
min = 0
max = 1.5
default = 1

[[setting]]
name = "app.queue.workers"
type = "int"
min = 1
max = 64
default = 4
CONFIG

sub import { enter() }

sub namespace { readlink '/proc/self/ns/net' }

# Becomes the same test in a new namespace; it and all that it starts end together.
sub enter {
    if (($ENV{LCAST_TEST_NAMESPACE} // '') =~ /\Afrom:(.*)/) {
        return if $1 ne namespace();
        die "no network namespace was made\n";
    }
    $ENV{PATH} .= ':/usr/sbin:/sbin';
    my $program = $ENV{LIBRECAST_BIN} // '';
    skip("LIBRECAST_BIN names no program librecast: '$program'") unless -x $program;
    my @namespace = qw(unshare -Urnpf --mount-proc --kill-child);
    my $works = system(@namespace, 'sh', '-c', "($SETUP) 2>/dev/null", 'sh', 'true');
    skip('no network namespace can be made here') if $works != 0;
    $ENV{LIBRECAST_BIN} = Cwd::abs_path($program);
    $ENV{LCAST_TEST_NAMESPACE} = 'from:' . namespace();
    my @perl = ($^X, map({ "-I$_" } map { Cwd::abs_path($_) // $_ } grep { !ref } @INC), $0, @ARGV);
    exec @namespace, 'sh', '-c', $SETUP, 'sh', @perl or die "cannot start unshare: $!\n";
}

sub skip {
    my ($why) = @_;
    die "$why\n" if $ENV{LCAST_TEST_REQUIRED};
    print "1..0 # SKIP $why\n";
    exit 0;
}

sub new {
    my ($class, @agents) = @_;
    my $folder = File::Temp->newdir('lcast-XXXXXX', TMPDIR => 1);
    my $self = bless { folder => $folder, agents => {}, owner => $$ }, $class;
    %ENV = (%ENV, LIBRECAST_HOME => "$folder/home", XDG_RUNTIME_DIR => "$folder",
        LIBRECAST_REALM => 'lab');
    $self->librecast(qw(realm create lab --scope link --interface lcast0));
    $self->start($_) for @agents;
    return $self;
}

sub folder { "$_[0]{folder}" }

# What the program prints.
sub librecast {
    my ($self, @words) = @_;
    my $log = "$self->{folder}/librecast.log";
    open my $out, '-|', 'sh', '-c', 'exec "$@" 2>>"$0"', $log, $ENV{LIBRECAST_BIN}, @words
        or die "cannot start librecast: $!\n";
    my $text = do { local $/; <$out> };
    close $out or die "librecast @words failed: ", read_file($log);
    return $text;
}

# The credential file of a member, made when it is first asked for.
sub credential {
    my ($self, $name, @words) = @_;
    my $file = "$self->{folder}/$name.credential";
    return $file if -e $file;
    push @words, '--label', 'role=' . ($name =~ s/[0-9]+\z//r) unless @words;
    $self->librecast(qw(realm issue --realm lab --name), $name, @words, '--out', $file);
    return $file;
}

# Starts an agent, and waits until it says that it is ready.
sub start {
    my ($self, $name) = @_;
    my ($folder, $credential) = ($self->folder, $self->credential($name));
    write_file("$folder/$name.toml", sprintf $CONFIG, $name);
    my $ready = "$folder/$name.ready";
    unlink $ready;
    my $socket = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $ready) or die "$ready: $!\n";
    my $pid = fork // die "cannot fork: $!\n";
    if (!$pid) {
        $ENV{NOTIFY_SOCKET} = $ready;
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', "$folder/$name.log";
        open STDERR, '>&', \*STDOUT;
        exec $ENV{LIBRECAST_BIN}, 'agent', '--credential', $credential, '--state',
            "$folder/state-$name", '--config', "$folder/$name.toml"
            or POSIX::_exit(127);
    }
    $self->{agents}{$name} = $pid;
    my $said = '';
    until ($said =~ /READY=1/) {
        vec(my $wanted = '', fileno $socket, 1) = 1;
        select($wanted, undef, undef, 60) or die "the agent $name does not start\n";
        defined $socket->recv($said, 4096) or die "$ready: $!\n";
    }
    return;
}

sub kill {
    my ($self, $name) = @_;
    my $pid = delete $self->{agents}{$name};
    CORE::kill 'KILL', $pid;
    waitpid $pid, 0;
}

# A node that has heard all agents.
sub asker {
    my ($self, @given) = @_;
    my $node = Net::Lcast->new(@given);
    my @agents = sort keys %{ $self->{agents} };
    my $report = $node->get('host.name', only => \@agents, expect => \@agents, timeout => 20)->report;
    die "not all answered: $report\n" unless $report->is_complete;
    return $node;
}

# A node of an application.
sub application {
    my ($self, $name, @given) = @_;
    return Net::Lcast->new(credential => $self->credential($name), @given);
}

# Runs a program as a process of its own; gives its status and what it wrote.
sub run_perl {
    my ($self, $program, %given) = @_;
    my $folder = $self->folder;
    my $path = "$folder/program-" . ++$self->{programs} . '.pl';
    write_file($path, $program);
    my $pid = $self->spawn_perl($path, "$path.out", %given);
    waitpid $pid, 0;
    return ($?, read_file("$path.out"));
}

sub spawn_perl {
    my ($self, $path, $out, %given) = @_;
    my $pid = fork // die "cannot fork: $!\n";
    return $pid if $pid;
    chdir $self->folder;
    open STDIN, '<', '/dev/null';
    open STDOUT, '>', $out;
    open STDERR, '>&', \*STDOUT;
    my @perl = ($^X, map({ "-I$_" } grep { !ref } @INC), $path);
    @perl = ('sh', '-c', "$given{before}; exec \"\$\@\"", 'sh', @perl) if $given{before};
    exec @perl or POSIX::_exit(127);
}

# Waits until a file has what is looked for; what runs meanwhile must not have ended.
sub wait_for {
    my ($self, $file, $pattern, $pid) = @_;
    my $end = Time::HiRes::time() + 60;
    while (Time::HiRes::time() < $end) {
        my $ended = waitpid $pid, POSIX::WNOHANG();
        my $text = -e $file ? read_file($file) : '';
        return $text if $text =~ $pattern;
        die "it ended without $pattern: $text\n" if $ended;
        select undef, undef, undef, 0.02;
    }
    die "there is no $pattern in $file: " . read_file($file) . "\n";
}

sub write_file {
    my ($path, $text) = @_;
    open my $file, '>', $path or die "$path: $!\n";
    print {$file} $text;
    close $file or die "$path: $!\n";
}

sub read_file {
    my ($path) = @_;
    open my $file, '<', $path or die "$path: $!\n";
    local $/;
    return scalar <$file>;
}

sub DESTROY {
    my ($self) = @_;
    return if $self->{owner} != $$;
    local ($?, $@, $!);
    $self->kill($_) for keys %{ $self->{agents} };
}

1;
