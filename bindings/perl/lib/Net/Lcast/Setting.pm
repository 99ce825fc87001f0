package Net::Lcast::Setting;

use 5.020;
use strict;
use warnings;

use parent 'Net::Lcast::Handle';

use Net::Lcast::Library qw(check);
use Net::Lcast::Stream;
use Net::Lcast::Value qw(held unpacked);

our $VERSION = '0.1.0';

sub _new {
    my ($class, $node, $name) = @_;
    return $class->_held(node => $node, name => $name);
}

# Follows what is written, once the setting is there.
sub _follow {
    my ($self) = @_;
    my $changes = $self->{changes} = Net::Lcast::Changes->_new($self->{node});
    check(Net::Lcast::Library::lcast_setting_changes($self->{handle}, \$changes->{handle}));
}

sub name { $_[0]{name} }

sub value {
    my ($self) = @_;
    my ($value, $packed) = (held(), held());
    check(Net::Lcast::Library::lcast_setting_value($self->_handle, \$value->{handle}));
    check(Net::Lcast::Library::lcast_value_pack($value->{handle}, \$packed->{handle}));
    return unpacked($packed->bytes);
}

sub changed {
    my ($self, @given) = @_;
    $self->_handle;
    my $newest = $self->{changes}->next(@given)
        // Net::Lcast::Error->throw('ended', 'the node has ended');
    while (my @newer = $self->{changes}->take) {
        $newest = $newer[-1];
    }
    return $newest->value;
}

sub take   { map { $_->value } $_[0]{changes}->take }
sub ended  { $_[0]{changes}->ended }
sub fileno { $_[0]{changes}->fileno }
sub handle { $_[0]{changes}->handle }

sub _free {
    my ($self, $handle) = @_;
    delete $self->{changes};
    Net::Lcast::Library::lcast_setting_free($handle);
}

1;

__END__

=encoding utf8

=head1 NAME

Net::Lcast::Setting - a setting that this process exposes

=head1 SYNOPSIS

    use Net::Lcast;

    my $node = Net::Lcast->new(credential => 'queue.credential', state => 'queue-state');
    my $workers = $node->expose_setting('app.queue.workers', 'int', 4, min => 1, max => 64);
    print 'working with ', $workers->value, "\n";
    my $count = eval { $workers->changed(timeout => 0.1) };
    print defined $count ? "working with $count from here on\n" : "nobody wrote it\n";

=head1 DESCRIPTION

C<expose_setting> of L<Net::Lcast> gives one. The node itself checks, keeps and answers what operators
write; the program hears of it. The setting stays exposed when the object is dropped.

=head1 METHODS

=head2 name

Its name.

=head2 value

The present value.

=head2 changed

Waits until somebody writes another value, and gives the newest. With C<< timeout => SECONDS >> it
dies with an error of the kind C<timeout> when nobody does in that time; of the kind C<ended> when the
node is closed.

=head2 take, ended, fileno, handle

As of L<Net::Lcast::Stream>; C<take> gives values. Of values that are written faster than they are read
only the newest is sure to be among them.

=cut
