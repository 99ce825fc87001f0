package Net::Lcast::Item;

use 5.020;
use strict;
use warnings;

use Net::Lcast::Timestamp;
use Net::Lcast::Value qw(text unpacked);

our $VERSION = '0.1.0';

my ($NAME, $UNIT, $WRITE, $RESULT, $MESSAGE, $TIME, $AGE, $SKIPPED, $VALUE) = (0 .. 8);

# The items that bytes of the library are.
sub _all {
    my @fields = unpack '(V/aV/aV/aV/aV/aq<Q<Q<V/a)*', $_[0];
    my @items;
    push @items, bless [splice @fields, 0, 9] while @fields;
    return \@items;
}

sub name    { text($_[0][$NAME]) }
sub unit    { text($_[0][$UNIT]) }
sub version { text($_[0][$WRITE]) }
sub result  { $_[0][$RESULT] }
sub message { text($_[0][$MESSAGE]) }
sub time    { Net::Lcast::Timestamp->from_millis($_[0][$TIME]) }
sub age     { $_[0][$AGE] / 1000 }
sub skipped { $_[0][$SKIPPED] }
sub value   { unpacked($_[0][$VALUE]) }

1;

__END__

=encoding utf8

=head1 NAME

Net::Lcast::Item - a variable in an event, or what became of a setting

=head1 SYNOPSIS

    use Net::Lcast;

    my $replies = Net::Lcast->new->get('system.memory.*');
    while (my $reply = $replies->next) {
        printf "%s %s %s %s\n", $reply->node, $_->name, $_->value, $_->unit for $reply->items;
    }

=head1 METHODS

=head2 name, unit

The full name of the variable, keys included; the unit as UCUM writes it, empty where there is none.

=head2 value

The value, as L<Net::Lcast/Values> says.

=head2 time, age

When the value was read, a L<Net::Lcast::Timestamp> by the clock of its node; how many seconds old it
was when the node sent it, whatever the clocks say.

=head2 version

Which write it is from: what C<if_version> takes.

=head2 skipped

How many values the variable had in between that this watch did not see.

=head2 result, message

What became of a setting: C<applied>, C<unchanged>, C<invalid>, C<conflict>, C<no_such_variable> or
C<storage>; and one sentence of the node about it.

=cut
