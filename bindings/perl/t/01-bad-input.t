use 5.020;
use strict;
use warnings;

use FindBin ();
use lib "$FindBin::Bin/lib";
use LcastLab;
use Net::Lcast;
use Storable ();
use Test::More;

my $lab  = LcastLab->new;
my $node = Net::Lcast->new;

sub failed {
    my ($kind, $pattern, $run) = @_;
    my $done  = eval { $run->(); 1 };
    my $error = $@;
    return fail "no error $kind" if $done || !eval { $error->isa('Net::Lcast::Error') };
    is $error->kind, $kind, "of the kind $kind" or diag $error;
    like "$error", $pattern, 'that says why';
}

failed invalid => qr/ at \Q$0\E line [0-9]+\.$/, sub { $node->get('not a pattern!') };
failed invalid => qr/'patterns' is undefined/, sub { $node->get(undef) };
failed invalid => qr/no pattern is given/, sub { $node->get([]) };
failed invalid => qr/'patterns' has a zero character/, sub { $node->get("a.b\0c") };
failed invalid => qr/'patterns' is no UTF-8/, sub { $node->get("a.\x{D800}") };
failed invalid => qr/'patterns' is a reference/, sub { $node->get({}) };
failed invalid => qr/there is no option 'one' of a question/, sub { $node->get('a.b', one => 1) };
failed invalid => qr/no option 'every' of a question/, sub { $node->get('a.b', every => 1) };
failed invalid => qr/'timeout' is -1/, sub { $node->get('a.b', timeout => -1) };
failed invalid => qr/shortest time is 0\.001/, sub { $node->get('a.b', timeout => 0) };
failed invalid => qr/'timeout' is no number/, sub { $node->get('a.b', timeout => 'soon') };
failed invalid => qr/'timeout' is nan/i, sub { $node->get('a.b', timeout => 9**9**9 / 9**9**9) };
failed invalid => qr/./, sub { $node->get('a.b', matching => 'x >') };
failed invalid => qr/./, sub { $node->get('a.b', on => '[') };
failed invalid => qr/'on' is empty/, sub { $node->set('a.b', 1, on => $_) } for [], '';
failed invalid => qr/a node name is missing/, sub { $node->get('a.b', not => '') };
for my $list (qw(on not only expect)) {
    failed invalid => qr/an empty text in '$list'/, sub { $node->get('a.b', $list => $_) }
        for [''], ['web1', ''];
}
for my $list (qw(only expect)) {
    failed invalid => qr/'' is no name of a node/, sub { $node->get('a.b', $list => 'web1,') };
}
failed invalid => qr/'label' is no reference to a hash/, sub { $node->get('a.b', label => 'web') };
failed invalid => qr/'label' is no reference to a hash/, sub { $node->get('a.b', label => []) };
failed invalid => qr/'label' is a reference/, sub { $node->get('a.b', label => { role => [] }) };
failed invalid => qr/'label' is undefined/, sub { $node->get('a.b', label => { role => undef }) };
failed invalid => qr/the last of these has no value/, sub { $node->get('a.b', 'timeout') };
failed invalid => qr/the last of these has no value/, sub { $node->set('a.b', 1, 'dry_run') };
failed invalid => qr/the last of these has no value/, sub { $node->ping('web1', 1) };
failed invalid => qr/the last of these has no value/, sub { Net::Lcast->new('lab') };
failed invalid => qr/the last of these has no value/, sub { $node->presence->next(1) };
failed invalid => qr/'delta' is -1/, sub { $node->watch('a.b', delta => -1) };
failed invalid => qr/'delta' is 0/, sub { $node->watch('a.b', delta => $_) } for 0, '0.0';
failed invalid => qr/'delta' is nan/i, sub { $node->watch('a.b', delta => 9**9**9 / 9**9**9) };
failed invalid => qr/'every' is 0/, sub { $node->watch('a.b', every => 0) };
failed invalid => qr/10ms/, sub { $node->watch('a.b', every => 0.009) };
failed invalid => qr/'value' has a zero character/, sub { $node->set('a.b', "x\0") };
failed invalid => qr/./, sub { $node->set('a.b', 1, if_version => 'x') };
failed invalid => qr/'name' is undefined/, sub { $node->set(undef, 1) };
failed invalid => qr/1 to 64 settings, not 0/, sub { $node->set_all({}) };
failed invalid => qr/1 to 64 settings, not 65/,
    sub { $node->set_all({ map { ("app.v$_" => 1) } 0 .. 64 }) };
failed invalid => qr/no reference to a hash/, sub { $node->set_all(['app.x', 1]) };
failed invalid => qr/./, sub { $node->set_all({ 'no name' => 1 }) };
failed invalid => qr/CODE is no value/, sub { $node->set_all({ 'a.b' => sub { } }) };
failed invalid => qr/no option 'if_version' of a set of several/,
    sub { $node->set_all({ 'a.b' => 1 }, if_version => '1.1') };
failed invalid => qr/no option 'dry_run' of a question/, sub { $node->get('a.b', dry_run => 1) };
failed invalid => qr/'name' is undefined/, sub { $node->ping(undef) };
failed invalid => qr/shortest time is 0\.001/, sub { $node->ping('web1', timeout => $_) }
    for 0, 0.0001;
failed invalid => qr/'number' is no type/, sub { $node->expose('a.b', 'number') };
failed invalid => qr/'type' is undefined/, sub { $node->expose('a.b') };
failed invalid => qr/'odd' is no kind/, sub { $node->expose('a.b', 'int', kind => 'odd') };
failed permission => qr/without --client/, sub { $node->expose('app.load', 'int') };
failed invalid => qr/'min' is no number/,
    sub { $node->expose_setting('a.b', 'int', 1, min => 'x') };
failed invalid => qr/'length_max' is -1/,
    sub { $node->expose_setting('a.b', 'text', '', length_max => -1) };
failed invalid => qr/'length_max' is 0/,
    sub { $node->expose_setting('a.b', 'text', '', length_max => 0) };
failed invalid => qr/'length_max' is 1\.5/,
    sub { $node->expose_setting('a.b', 'text', '', length_max => 1.5) };
failed invalid => qr/'length_max' is nan/i,
    sub { $node->expose_setting('a.b', 'text', '', length_max => 9**9**9 / 9**9**9) };
failed invalid => qr/no option 'timeout' of a node/, sub { Net::Lcast->new(timeout => 1) };
failed invalid => qr/a credential names its realm/,
    sub { Net::Lcast->new(realm => 'lab', credential => 'x') };
failed invalid => qr/omit agent/, sub { Net::Lcast->new(agent => 1, credential => 'x') };

failed no_realm => qr/nowhere/, sub { Net::Lcast->new(realm => 'nowhere') };
failed credential => qr/nothing\.credential/,
    sub { Net::Lcast->new(credential => $lab->folder . '/nothing.credential') };
failed credential => qr/./, sub { Net::Lcast->new(credential_data => "\0garbage") };
failed credential => qr/'credential_data' is empty/, sub { Net::Lcast->new(credential_data => '') };

my $file = $lab->credential('app1');
my $from_data = Net::Lcast->new(credential_data => LcastLab::read_file($file));
is $from_data->name, 'app1', 'a credential from memory';
my $state = $lab->folder . '/state';
my $first = Net::Lcast->new(credential => $lab->credential('app2'), state => $state);
failed busy => qr/./,
    sub { Net::Lcast->new(credential => $lab->credential('app2'), state => $state) };

# A path with a letter outside of ASCII: as characters, and as the octets that the system has.
for my $letter ("\x{fc}", "\x{1F600}") {
    utf8::upgrade(my $characters = $lab->folder . "/$letter.credential");
    utf8::encode(my $octets = $characters);
    LcastLab::write_file($octets, LcastLab::read_file($file));
    chmod 0600, $octets;
    for my $path ($characters, $octets) {
        my $opened = Net::Lcast->new(credential => $path, state => "$path.state");
        is $opened->name, 'app1', 'a credential and a state of such a path';
        ok -d "$octets.state", 'where it was said';
        $opened->close;
    }
}
failed invalid => qr/'state' is no UTF-8/,
    sub { Net::Lcast->new(credential => $file, state => $lab->folder . "/\xfc") };

# Root reads everything, but not when it has given up all its capabilities.
my $closed = $lab->credential('app3');
chmod 0, $closed;
my ($ended, $told) = $lab->run_perl(<<"PROGRAM", before => 'set -- setpriv --bounding-set=-all "$@"');
use Net::Lcast;
print eval { Net::Lcast->new(credential => '$closed'); 'none' } // \$\@->kind, "\n";
PROGRAM
is $ended, 0, 'what may not be read ends nothing' or diag $told;
is $told, "permission\n", 'it is an error';
failed start => qr/nothing-here/,
    sub { Net::Lcast->new(credential => $file, state => '/proc/nothing-here/state') };

my $variable = $from_data->expose('app.length', 'int');
failed invalid => qr/./, sub { $from_data->expose('nothing', 'int') };
failed invalid => qr/app\.size/, sub { $from_data->expose_setting('app.size', 'int', 9, max => 8) };
failed invalid => qr/'min' is no number/,
    sub { $from_data->expose_setting('app.nan', 'float', 1, min => 9**9**9 / 9**9**9) };
my $large = $from_data->expose('app.large', 'text');
failed invalid => qr/2088960 are the most/, sub { $large->publish('x' x 3_000_000) };
failed invalid => qr/'x' is no whole number/, sub { $variable->publish('x') };
failed invalid => qr/./, sub { $variable->publish_key('k', 1) };
my $keyed = $from_data->expose('app.disk[*].usage', 'int');
$keyed->publish_key('k' x 255, 1);
failed invalid => qr/a key has 1 to 255 bytes, not (?:0|256) at/, sub { $keyed->publish_key($_, 1) }
    for '', 'k' x 256, "\x{fc}" x 128;

my $watch = $from_data->watch('app.length');
my $handles = Net::Lcast::Library::lcast_handle_count();
for my $object ($from_data, $variable, $watch) {
    my $class = ref $object;
    failed invalid => qr/a $class is neither stored nor cloned/, sub { Storable::dclone($object) };
    failed invalid => qr/neither stored nor cloned/, sub { Storable::freeze([$object]) };
}
is Net::Lcast::Library::lcast_handle_count(), $handles, 'and the originals are still there';
$variable->publish(1);
$from_data->close;
$from_data->close;
pass 'to close twice is fine';
failed ended => qr/app1 was closed/, sub { $from_data->get('a.b') };
failed ended => qr/app1 was closed/, sub { $from_data->ping('app2') };
failed ended => qr/app1 was closed/, sub { $from_data->ping('app2', timeout => 0) };
failed ended => qr/./, sub { $variable->publish(1) };
failed ended => qr/./, sub { 1 while $watch->next(timeout => 10) };
is $watch->next, undef, 'then the end';

{
    local $@ = 'kept';
    local $! = 2;
    undef $watch;
    undef $variable;
    is $@, 'kept', 'what is dropped leaves the last error';
    is 0 + $!, 2, 'and that of the system';
}

# Descriptors run out in a process of its own.
my ($status, $said) = $lab->run_perl(<<'PROGRAM', before => 'ulimit -n 40');
use Net::Lcast;
my $node = Net::Lcast->new;
my @watches;
my $done = eval { push @watches, $node->watch('a.b') for 1 .. 100; 1 };
print $done ? 'all' : $@->kind, "\n";
undef $@;
undef @watches;
$node->members;
print 'again ', ref $node->get('a.b', timeout => 0.1)->report, "\n";
PROGRAM
is $status, 0, 'the limit of descriptors ends nothing' or diag $said;
is $said, "limit\nagain Net::Lcast::Report\n", 'it is an error, and then there are some again';

# However few there are, a node is opened, or the limit is told, and nothing else is said.
for my $state ('', ", state => 'few'") {
    ($status, $said) = $lab->run_perl(<<'PROGRAM' =~ s/OPTIONS/credential => '$file'$state/gr);
use FFI::Platypus;
use Net::Lcast;
use POSIX ();
my $libc = FFI::Platypus->new(api => 1, lib => [undef]);
$libc->attach(setrlimit => [int => 'uint64[2]'] => 'int');
my $opened = 0;
for my $limit (3 .. 30) {
    my $child = fork // die "cannot fork: $!\n";
    if (!$child) {
        my $RLIMIT_NOFILE = 7;
        setrlimit($RLIMIT_NOFILE, [$limit, $limit]) == 0 or die "no limit is set: $!\n";
        my $done = eval { Net::Lcast->new(OPTIONS)->close; 1 };
        print STDERR "$limit: $@" unless $done || $@->kind eq 'limit';
        POSIX::_exit($done ? 0 : 3);
    }
    waitpid $child, 0;
    $opened++ if $? == 0;
}
print 0 < $opened && $opened < 28 ? 'some' : $opened, "\n";
PROGRAM
    is $said, "some\n", 'few descriptors are enough, or the limit is told';
}

done_testing;
