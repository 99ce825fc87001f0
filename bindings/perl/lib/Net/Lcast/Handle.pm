package Net::Lcast::Handle;

# What the library gave out, and of which this process and this thread has to free it. Not for
# programs.

use 5.020;
use strict;
use warnings;

use Net::Lcast::Error;
use Net::Lcast::Library;

our $VERSION = '0.1.0';

sub _thread { $threads::threads ? threads->tid : 0 }

# A place for a handle, which the library fills: a handler of a signal may die at any step, and what
# came over by then is freed with the object.
sub _held {
    my ($class, %more) = @_;
    return bless { %more, handle => undef, pid => $$, thread => _thread() }, $class;
}

# The handle, for those who may use it.
sub _handle {
    my ($self) = @_;
    if ($self->{pid} != $$) {
        Net::Lcast::Error->throw('forked', "this was made by process $self->{pid}, of which this "
                . 'one is a fork: open a node here');
    }
    if ($threads::threads && $self->{thread} != threads->tid) {
        Net::Lcast::Error->throw('busy', "this was made by thread $self->{thread}, and belongs to "
                . 'it: open a node here');
    }
    return $self->{handle} // Net::Lcast::Error->throw('ended', $self->_ended);
}

sub _ended { 'it was closed' }

# For Storable: a copy would hold, and free, what the original has.
sub STORABLE_freeze {
    my $class = ref $_[0];
    Net::Lcast::Error->throw('invalid', "a $class is neither stored nor cloned: it belongs to this "
            . 'process');
}

# Frees the handle by _free, which each class has, if it is to be freed here: a fork and the copy of
# a thread leave that to whom it belongs to.
sub _release {
    my ($self) = @_;
    return if $self->{pid} != $$ || $self->{thread} != _thread();
    # Freed before it is forgotten: to free it once more does no harm.
    $self->_free($self->{handle}) if defined $self->{handle};
    delete $self->{handle};
    return;
}

# Perl calls it once only, so what the handler of a signal kept from being freed, by dying, is freed
# at a second try. One that dies ahead of the first leaves the handle: Perl cannot hold it off.
sub DESTROY {
    my ($self) = @_;
    local ($@, $!, $?);
    return if eval { $self->_drop; 1 };
    my $error = $@;
    $self->_drop;
    die $error;
}

# At the end of the program nothing calls the library any more: the process ends.
sub _drop { $_[0]->_release if ${^GLOBAL_PHASE} ne 'DESTRUCT' }

1;
