package Net::Lcast::Stream;

use 5.020;
use strict;
use warnings;

use parent -norequire, 'Net::Lcast::Handle';

use Net::Lcast::Event;
use Net::Lcast::Handle;
use Net::Lcast::Library qw(check failure invalid pairs AT_END TIMEOUT);
use Net::Lcast::Value ();
use Time::HiRes ();

our $VERSION = '0.1.0';

# Most events that come over in one call.
use constant BATCH => 256;

# The node lives as long as what it does.
sub _new {
    my ($class, $node) = @_;
    return $class->_held(node => $node, ready => [], ended => 0);
}

sub next {
    my ($self, @given) = @_;
    my $timeout = _timeout(@given);
    $self->_handle;
    return shift @{ $self->{ready} } if @{ $self->{ready} };
    return $self->_fill($timeout) ? shift @{ $self->{ready} } : undef;
}

sub take {
    my ($self) = @_;
    $self->_handle;
    $self->_fetch unless @{ $self->{ready} } || $self->{ended};
    return splice @{ $self->{ready} };
}

sub ended { my ($self) = @_; return $self->{ended} && !@{ $self->{ready} } }

sub fileno {
    my ($self) = @_;
    my $fd = Net::Lcast::Library::lcast_stream_fd($self->_handle);
    return $fd if $fd >= 0;
    check(Net::Lcast::Library::lcast_last_status());
}

sub handle {
    my ($self) = @_;
    return $self->{io} if $self->{io};
    open my $io, '<&', $self->fileno
        or Net::Lcast::Error->throw('limit', "cannot make another descriptor: $!");
    return $self->{io} = $io;
}

sub cancel {
    my ($self) = @_;
    check(Net::Lcast::Library::lcast_stream_cancel($self->_handle));
}

# A clock that nobody sets.
sub _now { Time::HiRes::clock_gettime(Time::HiRes::CLOCK_MONOTONIC()) }

sub _timeout {
    my %given = pairs(@_);
    my $timeout = delete $given{timeout};
    my ($other) = sort keys %given;
    invalid("there is no option '$other' here") if defined $other;
    return Net::Lcast::Options::seconds($timeout, 'timeout');
}

# Waits until something is there, so many seconds or until a moment; false at the end. What waits is
# Perl's own select, so handlers of signals run at once, and may die.
sub _fill {
    my ($self, $timeout, $until) = @_;
    $until //= _now() + $timeout if defined $timeout;
    until (@{ $self->{ready} }) {
        return 0 if $self->{ended};
        next if $self->_fetch;
        my $left = defined $until ? $until - _now() : undef;
        $left = 0 if defined $left && $left < 0;
        vec(my $wanted = '', $self->{fd} //= $self->fileno, 1) = 1;
        next if select($wanted, undef, undef, $left);
        Net::Lcast::Error->throw('timeout', "nothing came in $timeout seconds");
    }
    return 1;
}

# Takes what is there; false when nothing is. A handler of a signal may die at any step: what has
# come stays with the stream until all of it is ready.
sub _fetch {
    my ($self) = @_;
    if (!$self->{came}) {
        my $came = $self->{came} = Net::Lcast::Value::held();
        my $status = Net::Lcast::Library::lcast_next_packed(
            $self->_handle, 0, BATCH, \$came->{handle});
        if ($status != 0) {
            delete $self->{came};
            return 0 if $status == TIMEOUT;
            $self->{failed} = [failure($status)] unless $status == AT_END;
            $self->{ended} = 1;
            $self->_fail if $self->{failed};
            return 1;
        }
    }
    my @events = map { $self->_seen($_) } unpack '(V/a)*', $self->{came}->bytes;
    push @{ $self->{ready} }, @events;
    delete $self->{came};
    return 1;
}

# Dies for the reason that the stream has ended for.
sub _fail { Net::Lcast::Error->throw(@{ $_[0]{failed} }) }

sub _seen { Net::Lcast::Event->_new($_[1]) }

sub _free { Net::Lcast::Library::lcast_stream_free($_[1]) }

package Net::Lcast::Replies;

our @ISA = ('Net::Lcast::Stream');

# The report ends the replies.
sub _seen {
    my ($self, $packed) = @_;
    my $event = Net::Lcast::Event->_new($packed);
    return $event unless $event->isa('Net::Lcast::Report');
    $self->{report} = $event;
    return;
}

sub report {
    my ($self, @given) = @_;
    my $timeout = Net::Lcast::Stream::_timeout(@given);
    my $until = defined $timeout ? Net::Lcast::Stream::_now() + $timeout : undef;
    my @seen;
    my $done = eval {
        until ($self->{report}) {
            push @seen, splice @{ $self->{ready} };
            last unless $self->_fill($timeout, $until);
        }
        1;
    };
    my $error = $@;
    unshift @{ $self->{ready} }, @seen;
    die $error unless $done;
    return $self->{report} if $self->{report};
    $self->_fail if $self->{failed};
    Net::Lcast::Error->throw('ended', 'the question was not asked to its end');
}

package Net::Lcast::Watch;

our @ISA = ('Net::Lcast::Stream');

package Net::Lcast::Changes;

our @ISA = ('Net::Lcast::Stream');

1;

__END__

=encoding utf8

=head1 NAME

Net::Lcast::Stream - replies, what a watch tells, changes of presence

=head1 SYNOPSIS

    use Net::Lcast;

    my $node = Net::Lcast->new;
    my $replies = $node->get('host.name', on => 'web*');
    while (my $reply = $replies->next) {
        print $reply->node, ': ', $reply->value('host.name') // $reply->reason, "\n";
    }
    print $replies->report, "\n";

=head1 DESCRIPTION

L<Net::Lcast> gives three classes of these: C<Net::Lcast::Replies> of C<get>, C<set_each>,
C<set_all_each> and C<variables>, C<Net::Lcast::Watch> of C<watch>, and C<Net::Lcast::Changes> of
C<presence>. What they give are
objects of L<Net::Lcast::Event>. Dropping one gives up what it is about.

=head1 METHODS

=head2 next

The next event, waited for; C<undef> at the end. With C<< timeout => SECONDS >> it dies with an error
of the kind C<timeout> when none comes in that time. Handlers of signals run at once, and end the
waiting when they die; no event is lost by that.

Why a stream ended before its time is told by one error.

=head2 take

All events that are there, without waiting; an empty list when none are.

=head2 ended

Whether all has been read and nothing will come.

=head2 fileno, handle

For event loops: a descriptor that can be read while something waits here, once C<take> has given an
empty list, and at the end. C<handle> is a file handle of a duplicate, for loops that want one.
Nothing but polling may be done with either. Call C<take> when it can be read, and stop polling when
C<ended> is true. L<Net::Lcast/"Event loops"> has an example.

=head2 cancel

Gives up what this is about. What has arrived can still be read, then comes the end.

=head2 report

Of replies alone: waits for the end, and gives the account, a L<Net::Lcast::Report>. Replies that
come meanwhile can still be read. It takes a C<timeout> as C<next> does. A question that could not be
asked dies with the reason, each time.

=cut
