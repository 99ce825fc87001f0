package Net::Lcast::Bytes;

use 5.020;
use strict;
use warnings;

use Net::Lcast::Error;
use overload
    '""'     => sub { ${ $_[0] } },
    'bool'   => sub { 1 },
    fallback => 1;

our $VERSION = '0.1.0';

sub new {
    my ($class, $bytes) = @_;
    Net::Lcast::Error->throw('invalid', 'bytes must not be undefined') unless defined $bytes;
    my $copy = "$bytes";
    utf8::downgrade($copy, 1)
        or Net::Lcast::Error->throw('invalid', 'there is a wide character among the bytes');
    return bless \$copy, $class;
}

sub bytes  { ${ $_[0] } }
sub length { CORE::length ${ $_[0] } }

1;

__END__

=encoding utf8

=head1 NAME

Net::Lcast::Bytes - a value of bytes, told apart from text

=head1 SYNOPSIS

    use Net::Lcast::Bytes;

    my $key = Net::Lcast::Bytes->new("\x00\xff");
    print $key->length, "\n";    # 2

=head1 METHODS

=head2 new

Makes one of a string of characters up to 255.

=head2 bytes

The string, which is also what the object is as one.

=head2 length

How many they are.

=cut
