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

sub _held {
    my ($class, $handle, %more) = @_;
    return bless { %more, handle => $handle, pid => $$, thread => _thread() }, $class;
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

# Frees the handle by _free, which each class has, if it is to be freed here: a fork and the copy of
# a thread leave that to whom it belongs to.
sub _release {
    my ($self) = @_;
    return if $self->{pid} != $$ || $self->{thread} != _thread();
    my $handle = delete $self->{handle};
    $self->_free($handle) if defined $handle;
    return;
}

# At the end of the program nothing calls the library any more: the process ends.
sub DESTROY {
    my ($self) = @_;
    return if ${^GLOBAL_PHASE} eq 'DESTRUCT';
    local ($@, $!, $?);
    $self->_release;
}

1;
