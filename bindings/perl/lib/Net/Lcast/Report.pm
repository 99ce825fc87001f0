package Net::Lcast::Report;

use 5.020;
use strict;
use warnings;

use Net::Lcast::Event;
use Net::Lcast::Timestamp;
use Net::Lcast::Value qw(text);
use overload
    '""'     => sub { $_[0]->as_string },
    'bool'   => sub { 1 },
    fallback => 1;

our $VERSION = '0.1.0';
our @ISA     = ('Net::Lcast::Event');

my @FIELDS = qw(complete heard sent expected alive answered rounds micros);
my @LISTED = qw(empty error refused late missing behind);

# Of the bytes that the library gives for a report.
sub _of {
    my ($class, $packed) = @_;
    my @fields = unpack 'CCCVVVVq<(V/a)6', $packed;
    my %self;
    @self{ @FIELDS, @LISTED } = @fields;
    $self{$_} = _nodes($self{$_}) for @LISTED;
    return bless \%self, $class;
}

sub _nodes {
    my @fields = unpack '(V/aV/aV/aq<C)*', $_[0];
    my @nodes;
    while (my ($node, $reason, $message, $heard, $unknown) = splice @fields, 0, 5) {
        push @nodes, {
            node            => text($node),
            reason          => text($reason),
            message         => text($message),
            last_heard      => $heard < 0 ? undef : Net::Lcast::Timestamp->from_millis($heard),
            outcome_unknown => $unknown,
        };
    }
    return \@nodes;
}

sub kind    { 'report' }
sub class   { '' }
sub node    { '' }
sub reason  { '' }
sub message { '' }
sub lost    { 0 }
sub items   { return }
sub removed { return }

sub is_complete { $_[0]{complete} }
sub heard       { $_[0]{heard} }
sub sent        { $_[0]{sent} }
sub expected    { $_[0]{expected} }
sub alive       { $_[0]{alive} }
sub answered    { $_[0]{answered} }
sub rounds      { $_[0]{rounds} }
sub elapsed     { $_[0]{micros} / 1_000_000 }

sub empty       { @{ $_[0]{empty} } }
sub error       { @{ $_[0]{error} } }
sub refused     { @{ $_[0]{refused} } }
sub late        { @{ $_[0]{late} } }
sub missing     { @{ $_[0]{missing} } }
sub behind      { map { $_->{node} } @{ $_[0]{behind} } }

sub as_string {
    my ($self) = @_;
    my @classes = $self->{answered} ? "$self->{answered} answered" : ();
    for my $class (qw(empty error refused late missing)) {
        my $count = @{ $self->{$class} };
        push @classes, "$count $class" if $count;
    }
    return "$self->{expected} expected: " . (join(', ', @classes) || '0 answered');
}

1;

__END__

=encoding utf8

=head1 NAME

Net::Lcast::Report - the account at the end of a question

=head1 SYNOPSIS

    use Net::Lcast;

    my $report = Net::Lcast->new->get('host.name')->report;
    print "$report\n";    # 3 expected: 2 answered, 1 missing
    for my $silent ($report->missing, $report->late) {
        my $heard = $silent->{last_heard} // 'never';
        print "$silent->{node} is silent, last heard: $heard\n";
    }

=head1 DESCRIPTION

Every expected node is in exactly one class. It is also an event of the kind C<report>, which a watch
gives when its beginning is over.

=head1 METHODS

=head2 is_complete

Whether every expected node answered or had nothing to say.

=head2 expected, alive, answered

How many nodes were expected, how many of them were alive at the end, how many answered.

=head2 empty, error, refused, late, missing

The nodes with nothing to say, those that failed, would not, were still at work at the deadline, said
nothing. Each is a list, or its length in scalar context, of references to hashes: C<node>, its
C<reason> (a word; of late and missing nodes their presence), C<message>, C<last_heard> (a
L<Net::Lcast::Timestamp>, C<undef> for never), C<outcome_unknown> (whether a set may have been done
although its answer was lost).

=head2 behind

The names of nodes that hold an older member list than this one.

=head2 rounds, elapsed

How many times the question was sent to all; seconds from the first packet to the end.

=head2 heard, sent

Whether any packet of any other node was verified, and whether at least one socket could send.

=head2 as_string

One line, which is also what the object is as a string.

=cut
