package Net::Lcast::Variable;

use 5.020;
use strict;
use warnings;

use parent 'Net::Lcast::Handle';

use Net::Lcast::Library qw(check invalid);
use Net::Lcast::Value qw(with_value);

our $VERSION = '0.1.0';

sub _new {
    my ($class, $node, $name, $type) = @_;
    return $class->_held(node => $node, name => $name, type => $type);
}

sub name { $_[0]{name} }

sub publish {
    my ($self, $value) = @_;
    my $handle = $self->_handle;
    with_value($value, $self->{type}, sub {
        check(Net::Lcast::Library::lcast_publish($handle, $_[0]));
    });
}

sub publish_key {
    my ($self, $key, $value) = @_;
    my $handle = $self->_handle;
    invalid("'key' is undefined") unless defined $key;
    invalid("$self->{name} has no keys: publish without one") if $self->{name} !~ /\[\*\]/;
    utf8::encode(my $octets = "$key");
    with_value($value, $self->{type}, sub {
        my $length = length $octets;
        check(Net::Lcast::Library::lcast_publish_key($handle, $octets, $length, $_[0]));
    });
}

sub withdraw {
    my ($self) = @_;
    check(Net::Lcast::Library::lcast_withdraw($self->_handle));
}

sub _free { Net::Lcast::Library::lcast_variable_free($_[1]) }

1;

__END__

=encoding utf8

=head1 NAME

Net::Lcast::Variable - a variable that this process exposes

=head1 SYNOPSIS

    use Net::Lcast;

    my $node = Net::Lcast->new(credential => 'queue.credential');
    my $length = $node->expose('app.queue.length', 'int', unit => '{job}');
    $length->publish(17);
    my $usage = $node->expose('app.disk[*].usage', 'float', unit => '1');
    $usage->publish_key('/var', 0.25);

=head1 DESCRIPTION

C<expose> of L<Net::Lcast> gives one. The variable stays exposed when the object is dropped, until
the node is closed.

=head1 METHODS

=head2 name

Its name.

=head2 publish

Gives it a value of its type; C<undef>: it is known to have none. What does not fit, or has more than
some 2 MiB, which no reply carries, is an error of the kind C<invalid>.

=head2 publish_key

Gives one instance of a map a value: of C<app.disk[*].usage> that with the key C</var>.

=head2 withdraw

Removes it from the realm's sight.

=cut
