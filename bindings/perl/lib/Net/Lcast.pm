package Net::Lcast;

use 5.020;
use strict;
use warnings;

use parent 'Net::Lcast::Handle';

use Net::Lcast::Bytes;
use Net::Lcast::Error;
use Net::Lcast::Library qw(check invalid octets TIMEOUT);
use Net::Lcast::Member;
use Net::Lcast::Options;
use Net::Lcast::Report;
use Net::Lcast::Setting;
use Net::Lcast::Stream;
use Net::Lcast::Timestamp;
use Net::Lcast::Value qw(text with_value);
use Net::Lcast::Variable;
use Scalar::Util qw(refaddr reftype weaken);

our $VERSION = '0.1.0';

# The nodes that are open, to say goodbye at the end of the program.
my %open;

END {
    local ($@, $!, $?);
    for my $node (grep { defined } values %open) {
        eval { $node->_release; 1 } or warn $@;
    }
}

sub new {
    my ($class, @given) = @_;
    my $options = Net::Lcast::Options::opening(@given);
    my $self = $class->_held;
    check(Net::Lcast::Library::lcast_open($options->{bytes}, \$self->{handle}));
    $self->{name} = text(Net::Lcast::Library::lcast_node_name($self->{handle}));
    $self->{realm} = text(Net::Lcast::Library::lcast_node_realm($self->{handle}));
    weaken($open{ refaddr $self } = $self);
    return $self;
}

sub name    { $_[0]{name} }
sub realm   { $_[0]{realm} }
sub library { text(Net::Lcast::Library::lcast_version()) }

sub _ended { "the node $_[0]{name} was closed" }

sub get {
    my ($self, $patterns, @given) = @_;
    my $handle = $self->_handle;
    my $list = Net::Lcast::Options::patterns($patterns);
    my $options = Net::Lcast::Options::question('a question', @given);
    my $replies = Net::Lcast::Replies->_new($self);
    check(Net::Lcast::Library::lcast_get(
        $handle, $list->{bytes}, $list->{count}, $options->{bytes}, \$replies->{handle}));
    return $replies;
}

sub watch {
    my ($self, $patterns, @given) = @_;
    my $handle = $self->_handle;
    my $list = Net::Lcast::Options::patterns($patterns);
    my $options = Net::Lcast::Options::question('a watch', @given);
    my $watch = Net::Lcast::Watch->_new($self);
    check(Net::Lcast::Library::lcast_watch(
        $handle, $list->{bytes}, $list->{count}, $options->{bytes}, \$watch->{handle}));
    return $watch;
}

sub set     { shift->set_each(@_)->report }
sub set_all { shift->set_all_each(@_)->report }

sub set_each {
    my ($self, $name, $value, @given) = @_;
    return $self->_set('a set', [[$name, $value]], @given);
}

sub set_all_each {
    my ($self, $values, @given) = @_;
    invalid("what to set is no reference to a hash, like { 'app.a' => 1, 'app.b' => 2 }")
        if (reftype($values) // '') ne 'HASH';
    my @pairs = map { [$_, $values->{$_}] } sort keys %{$values};
    return $self->_set('a set of several', \@pairs, @given);
}

sub _set {
    my ($self, $what, $pairs, @given) = @_;
    my $handle = $self->_handle;
    my $list = Net::Lcast::Options::assignments(@{$pairs});
    my $options = Net::Lcast::Options::question($what, @given);
    my $replies = Net::Lcast::Replies->_new($self);
    check(Net::Lcast::Library::lcast_set_all(
        $handle, $list->{bytes}, $list->{count}, $options->{bytes}, \$replies->{handle}));
    return $replies;
}

sub variables {
    my ($self, @given) = @_;
    my $handle = $self->_handle;
    my $options = Net::Lcast::Options::question('a question', @given);
    my $replies = Net::Lcast::Replies->_new($self);
    check(Net::Lcast::Library::lcast_variables(
        $handle, $options->{bytes}, \$replies->{handle}));
    return $replies;
}

sub members {
    my ($self) = @_;
    my $members = Net::Lcast::Members->_held;
    check(Net::Lcast::Library::lcast_members_of($self->_handle, \$members->{handle}));
    return $members->all;
}

sub presence {
    my ($self) = @_;
    my $changes = Net::Lcast::Changes->_new($self);
    check(Net::Lcast::Library::lcast_presence($self->_handle, \$changes->{handle}));
    return $changes;
}

# In slices that grow to a second, so that handlers of signals run between them. An echo that comes
# after its slice is taken in a later one.
sub ping {
    my ($self, $name, @given) = @_;
    $self->_handle;
    my $timeout = Net::Lcast::Stream::_timeout(@given) // 1;
    my $left = Net::Lcast::Options::millis($timeout, 'timeout');
    my $octets = octets($name, 'name');
    for (my $slice = 100; $left > 0; $slice = $slice < 500 ? 2 * $slice : 1000) {
        my $now = $slice < $left ? $slice : $left;
        $left -= $now;
        my $status = Net::Lcast::Library::lcast_ping($self->_handle, $octets, $now, \my $micros);
        next if $status == TIMEOUT;
        check($status);
        return $micros / 1_000_000;
    }
    return undef;
}

sub expose {
    my ($self, $name, $type, @given) = @_;
    my $handle = $self->_handle;
    my $definition = Net::Lcast::Options::definition('a variable', $name, $type, @given);
    my $variable = Net::Lcast::Variable->_new($self, $name, $type);
    check(Net::Lcast::Library::lcast_expose(
        $handle, $definition->{bytes}, \$variable->{handle}));
    return $variable;
}

sub expose_setting {
    my ($self, $name, $type, $default, @given) = @_;
    my $handle = $self->_handle;
    my $definition = Net::Lcast::Options::definition('a setting', $name, $type, @given);
    my $setting = Net::Lcast::Setting->_new($self, $name);
    with_value($default, $type, sub {
        check(Net::Lcast::Library::lcast_expose_setting(
            $handle, $definition->{bytes}, $_[0], \$setting->{handle}));
    });
    $setting->_follow;
    return $setting;
}

sub close {
    my ($self) = @_;
    $self->_handle if exists $self->{handle};
    $self->_release;
}

sub _release {
    my ($self) = @_;
    delete $open{ refaddr $self };
    return $self->SUPER::_release;
}

sub _free { Net::Lcast::Library::lcast_close($_[1]) }

1;

__END__

=encoding utf8

=head1 NAME

Net::Lcast - ask, tell and watch a fleet of machines over IPv6 multicast

=head1 SYNOPSIS

    use Net::Lcast;

    my $node = Net::Lcast->new;
    my $replies = $node->get('system.cpu.load_1m');
    while (my $reply = $replies->next) {
        my $load = $reply->value('system.cpu.load_1m');
        print $reply->node, ' ', $load // $reply->reason, "\n";
    }
    print $replies->report, "\n";

=head1 DESCRIPTION

The library of Librecast for Perl: questions with their reports, settings, watches, variables of your
own, presence. It stands on the C library, C<liblcast>, by L<FFI::Platypus>, and runs on Linux with a
perl of 64 bits.

An object of this class is this process's part in a realm. It is closed by L</close>, when it is
dropped, and at the end of the program. What it gives keeps it open.

=head1 METHODS

What fails dies with a L<Net::Lcast::Error>. Times are in seconds, with fractions.

=head2 new

    use Net::Lcast;

    my $node  = Net::Lcast->new;                     # as the command librecast chooses the realm
    my $queue = Net::Lcast->new(credential => 'queue.credential', state => 'queue-state');
    print $node->name, ' and ', $queue->name, ' are in ', $node->realm, "\n";

Opens a node. Options, of which all may be left out:

=over

=item C<realm>: its name; the credential is the user's, or with C<< agent => 1 >> the host's agent's

=item C<credential>: the path of a credential file to use instead

=item C<credential_data>: what such a file holds, to use instead

=item C<state>: a folder that keeps settings and the member list, and is locked

=item C<memory>: a folder that remembers presence and schemas for the next process

=item C<interfaces>: names, in place of the credential's: one or a reference to an array

=item C<registry>: a folder in which nodes of this host find each other without multicast

=item C<software>: the version that others are told

=back

Paths are taken as C<open> takes them: octets, as of C<@ARGV> and C<readdir>, as they are,
characters as UTF-8. One that is no UTF-8 then is an error of the kind C<invalid>.

=head2 name, realm, library

The certified name of this node, the name of its realm, the version of the C library.

=head2 get

    use Net::Lcast;

    my $node = Net::Lcast->new;
    my $replies = $node->get(['system.memory.*', 'app.owner'],
        on => 'web*', label => { role => 'web' }, matching => 'system.uptime > 0', timeout => 5);
    while (my $reply = $replies->next) {
        print $reply->node, ' ', $_->name, ' = ', $_->value, "\n" for $reply->items;
    }
    my $report = $replies->report;
    print "$_->{node} is silent\n" for $report->missing, $report->late;

Asks for all variables that the pattern matches, or one of those in a reference to an array. Replies
(L<Net::Lcast::Stream>) come as they arrive, each node's at most once, and end in a report
(L<Net::Lcast::Report>). Options:

=over

=item C<on>, C<not>: globs on the names of nodes, like C<web*,db1> or a reference to an array of them

=item C<label>: a reference to a hash of certified labels that a node must have

=item C<matching>: a predicate that is evaluated at each node

=item C<only>: names of nodes, of which alone is asked, like C<web1,db1> or a reference to an array

=item C<expect>: names that must answer, known to the realm or not, given in the same way

=item C<timeout>: for the whole question, above 0; by itself 1, and 3 while answers come

=back

For C<not>, C<only> and C<expect> a list with none in it is nobody, and so is an empty text for the
last two: C<< only => [] >> asks nobody. An empty C<on> is an error of the kind C<invalid>.

=head2 set

    use Net::Lcast;

    my $node = Net::Lcast->new;
    my $report = $node->set('app.level', 0.5, on => 'web*');
    print "$report\n";
    print "$_->{node}: $_->{message}\n" for $report->error, $report->refused;

Writes a setting on all these nodes, waits, and gives the report. Text and numbers are read at each
node by the setting's type, as C<librecast set NAME=TEXT> does; other values have their own type. The
options are those of L</get>, and

=over

=item C<if_version>: only where the setting still has this version

=item C<dry_run>: when true, only say what would happen; nothing is written

=back

=head2 set_each

    use Net::Lcast;

    my $replies = Net::Lcast->new->set_each('app.greeting', 'hello', on => 'web*');
    while (my $reply = $replies->next) {
        print $reply->node, ' ', $_->result, ' ', $_->version, "\n" for $reply->items;
    }

The same, and gives what each node says.

=head2 set_all, set_all_each

    use Net::Lcast;

    my $node = Net::Lcast->new;
    my %both = ('app.greeting' => 'hello', 'app.level' => 0.5);
    my $would = $node->set_all(\%both, on => 'web*', dry_run => 1);
    print $node->set_all(\%both, on => 'web*'), "\n" if $would->is_complete;

Write several settings, up to 64, on each of these nodes all or none of them: of one that cannot be
written there, none is. The options are those of L</set> but for C<if_version>. C<set_all> gives the
report, C<set_all_each> what each node says.

=head2 watch

    use Net::Lcast;

    my $watch = Net::Lcast->new->watch('system.cpu.load_1m', every => 1);
    for (1 .. 5) {
        my $event = $watch->next(timeout => 10);
        print $event->kind, ' ', $event->node, ' ', $event->value // '', "\n";
    }

Watches all variables that match: replies tell what they are at first, then comes the report, then what
changes, on every node that is picked, those that join later included (L<Net::Lcast::Event/kind>).
The options are those of L</get>, where C<timeout> bounds the beginning, and C<every>: tell the values
that often, changed or not, 0.01 at least; C<delta>: tell a number only when it is at least so far from
what was told last, above 0.

=head2 variables

    use Net::Lcast;

    my $replies = Net::Lcast->new->variables(on => 'web*');
    while (my $reply = $replies->next) {
        for my $it ($reply->items) {
            my $what = $it->value;
            print join(' ', $reply->node, $it->name, $what->{type}, $it->unit), "\n";
        }
    }

Asks nodes which variables they have. An item of a reply has the name, with C<[*]> for the keys of a
map, the unit, and as its value a hash of what else the variable is: C<type>, C<kind>,
C<description> and C<settable>; of a setting also those that there are of C<min>, C<max>,
C<length_max> and C<choices>. It has no time and no version. Options are those of L</get> that pick
nodes.

=head2 members

Every member, a list of L<Net::Lcast::Member>. A node that has just been opened knows of few others;
who answers a question is known.

=head2 presence

Follows whose presence changes from here on: a L<Net::Lcast::Stream> of events of the kind C<presence>,
whose C<reason> is the new state.

=head2 ping

    use Net::Lcast;

    my $node = Net::Lcast->new;
    $node->get('host.name')->report;
    my $seconds = $node->ping('web1', timeout => 2);
    print defined $seconds ? "$seconds s\n" : "no answer\n";

The round trip to a node by unicast; C<undef> when it does not answer in time, which is above 0 and
by itself 1.

=head2 expose

    use Net::Lcast;

    my $queue = Net::Lcast->new(credential => 'queue.credential');
    my $length = $queue->expose('app.queue.length', 'int',
        unit => '{job}', description => 'jobs that wait');
    $length->publish(17);

Exposes a variable, a L<Net::Lcast::Variable> with no value yet: its name, 2 to 8 words joined by dots
with C<[*]> for keys; its type: C<bool>, C<int>, C<float>, C<text>, C<bytes>, C<timestamp>, C<list> or
C<map>. Options: C<kind> (C<gauge>, C<counter> or C<info>), C<unit> as UCUM writes it, C<description>.

=head2 expose_setting

Exposes a setting, a L<Net::Lcast::Setting>: name, type, default (C<undef>: no value until somebody
sets it), and as options C<min>, C<max>, C<length_max> (of a text or bytes, in bytes, 1 at least),
C<choices> (a reference to an array), C<unit>, C<description>.

=head2 close

Says goodbye to the realm, if this is an agent, and ends the node with all that it does. Once more, it
does nothing.

=head1 Values

=over

=item null: C<undef>

=item bool: C<JSON::PP::true> and C<JSON::PP::false>. Those of L<Types::Serialiser> and L<boolean> and,
from perl 5.36 on, its own are taken as well; where a bool is exposed also 1, 0 and the empty string

=item int: an integer of 64 bits; beyond these it is an error

=item float: a number

=item text: a string of characters, never octets to be decoded

=item bytes: L<Net::Lcast::Bytes>; where bytes are exposed also a string without wide characters

=item timestamp: L<Net::Lcast::Timestamp>; a L<DateTime> is taken as well

=item list, map: references to arrays and hashes, at most 8 deep

=back

A variable of your own has a type, and what you publish is read by it: C<'17'> is an int where an int
is exposed. In lists and maps a scalar is what it looks like: a number unless it was made as or used
as a string.

=head1 Event loops

Nothing calls your program from another thread. In a loop of your own poll a stream's descriptor:

    use AnyEvent;
    use Net::Lcast;

    my $done = AnyEvent->condvar;
    my $watch = Net::Lcast->new->watch('system.cpu.load_1m', every => 1);
    my $seen = 0;
    my $ready = AnyEvent->io(fh => $watch->fileno, poll => 'r', cb => sub {
        for my $event ($watch->take) {
            print $event->kind, ' ', $event->node, "\n";
            $done->send if ++$seen == 5;
        }
        $done->send if $watch->ended;
    });
    $done->recv;
    undef $ready;

or with L<IO::Async>:

    use IO::Async::Handle;
    use IO::Async::Loop;
    use Net::Lcast;

    my $loop = IO::Async::Loop->new;
    my $watch = Net::Lcast->new->watch('system.cpu.load_1m', every => 1);
    my $seen = 0;
    $loop->add(IO::Async::Handle->new(
        read_handle   => $watch->handle,
        on_read_ready => sub {
            my ($handle) = @_;
            for my $event ($watch->take) {
                print $event->kind, ' ', $event->node, "\n";
                $loop->stop if ++$seen == 5;
            }
            $loop->stop if $watch->ended;
        },
    ));
    $loop->run;

=head1 Signals, forks, threads

Handlers in C<%SIG> run at once while a stream is waited for, within a second in a L</ping>, and may
die. After a fork the parent goes on; in the child each use of what was opened before is an error of
the kind C<forked>, and it can open a node of its own. What one thread (L<threads>) has opened belongs
to it: in a thread that was made later its copy is an error of the kind C<busy>. L<Storable> stores
and clones none of these objects: it is an error of the kind C<invalid>.

=head1 ENVIRONMENT

C<LCAST_LIBRARY> is the path of the C library, where neither pkg-config nor the linker knows it.
C<LIBRECAST_REALM> and the others are as of the command C<librecast>.

=head1 SEE ALSO

L<Net::Lcast::Stream>, L<Net::Lcast::Event>, L<Net::Lcast::Item>, L<Net::Lcast::Report>,
L<Net::Lcast::Variable>, L<Net::Lcast::Setting>, L<Net::Lcast::Member>, L<Net::Lcast::Error>

=head1 LICENSE

MIT or Apache 2.0, as you like.

=cut
