package Net::Lcast::Error;

use 5.020;
use strict;
use warnings;

use overload
    '""'     => sub { $_[0]->as_string },
    'bool'   => sub { 1 },
    fallback => 1;

our $VERSION = '0.1.0';

# Dies with an error of a kind, told to be at the first caller outside of this distribution.
sub throw {
    my ($class, $kind, $message) = @_;
    my ($level, $package, $file, $line) = (0);
    do {
        ($package, $file, $line) = caller $level++;
    } while (defined $package && $package =~ /\ANet::Lcast(?:::|\z)/);
    die bless { kind => $kind, message => $message, file => $file, line => $line }, $class;
}

sub kind    { $_[0]{kind} }
sub message { $_[0]{message} }
sub file    { $_[0]{file} }
sub line    { $_[0]{line} }

sub as_string {
    my ($self) = @_;
    return $self->{message} . "\n" unless defined $self->{file};
    return "$self->{message} at $self->{file} line $self->{line}.\n";
}

1;

__END__

=encoding utf8

=head1 NAME

Net::Lcast::Error - what went wrong, by kind

=head1 SYNOPSIS

    use Net::Lcast;

    my $report = eval { Net::Lcast->new(realm => 'nowhere')->get('host.name')->report };
    if (ref $@ && $@->isa('Net::Lcast::Error') && $@->kind eq 'no_realm') {
        print 'no such realm: ', $@->message, "\n";
    }

=head1 DESCRIPTION

Whatever L<Net::Lcast> dies with is an object of this class.

=head1 METHODS

=head2 kind

The kind, by the same word as in the other languages of the project:

=over

=item C<invalid>: an argument is none: a pattern, a predicate, a name, a value that does not fit

=item C<no_realm>: there is no such realm, or it is not clear which is meant

=item C<credential>: the credential is damaged, expired, or not there

=item C<permission>: the system does not let this user read or do that

=item C<start>: the node cannot be started: the state, the sockets or a thread

=item C<network>: there is no network to send on

=item C<limit>: as many as there may be: open questions, file descriptors, handles

=item C<busy>: somebody else has it: another process the state folder, another thread the object

=item C<ended>: the node was closed, or what it stood on is gone

=item C<forked>: it was made by the process of which this one is a fork: open a node here

=item C<timeout>: nothing came in the time that was given

=item C<internal>: an error of the library: please report it

=back

=head2 message

One sentence that names what was given, and the way out.

=head2 file, line

Where the program called the library.

=head2 as_string

The message and the place, which is also what the object is as a string.

=cut
