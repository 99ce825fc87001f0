package Net::Lcast::Event;

use 5.020;
use strict;
use warnings;

use Net::Lcast::Item;
use Net::Lcast::Value qw(text);

our $VERSION = '0.1.0';

my @KINDS = qw(none reply report entered changed left overflow presence setting);
my @CLASSES = ('', qw(answered empty error refused late missing behind));

my ($KIND, $CLASS, $LOST, $NODE, $REASON, $MESSAGE, $ITEMS, $REMOVED, $REPORT) = (0 .. 8);

# Of the bytes that the library gives for an event; items are looked at when somebody asks.
sub _new {
    my ($class, $packed) = @_;
    my $self = bless [unpack 'CCQ<V/aV/aV/aV/aV/aV/a', $packed], $class;
    require Net::Lcast::Report if $self->[$REPORT] ne '';
    return $self->[$REPORT] eq '' ? $self : Net::Lcast::Report->_of($self->[$REPORT]);
}

sub kind    { $KINDS[$_[0][$KIND]] // 'none' }
sub class   { $CLASSES[$_[0][$CLASS]] // '' }
sub lost    { $_[0][$LOST] }
sub node    { text($_[0][$NODE]) }
sub reason  { text($_[0][$REASON]) }
sub message { text($_[0][$MESSAGE]) }

sub items {
    my ($self) = @_;
    $self->[$ITEMS] = Net::Lcast::Item::_all($self->[$ITEMS]) unless ref $self->[$ITEMS];
    return @{ $self->[$ITEMS] };
}

sub item {
    my ($self, $name) = @_;
    for my $item ($self->items) {
        return $item if !defined $name || $item->name eq $name;
    }
    return;
}

sub value {
    my $item = shift->item(@_);
    return defined $item ? $item->value : undef;
}

sub values { +{ map { ($_->name, $_->value) } $_[0]->items } }

sub removed { map { text($_) } unpack '(V/a)*', $_[0][$REMOVED] }

1;

__END__

=encoding utf8

=head1 NAME

Net::Lcast::Event - a reply, a change, whatever a stream tells

=head1 SYNOPSIS

    use Net::Lcast;

    my $node = Net::Lcast->new;
    my $watch = $node->watch('system.cpu.load_1m', every => 1);
    while (my $event = $watch->next) {
        print $event->kind, ' ', $event->node, ' ', $event->value // '', "\n";
        last if $event->kind eq 'changed';
    }

=head1 METHODS

=head2 kind

=over

=item C<reply>: what a node said to a question, or holds when a watch begins

=item C<report>: the account, a L<Net::Lcast::Report>, at the beginning of a watch

=item C<entered>: a node is in the watch from here on: it joined, or its predicate began to hold

=item C<changed>: values of a node have changed

=item C<left>: a node is no longer in the watch

=item C<overflow>: the program was too slow, and events are lost

=item C<presence>: the presence of a member has changed

=item C<none>: something that only a later version knows

=back

=head2 node

The certified name of the node that it is about.

=head2 class

Of a reply: C<answered>, C<empty>, C<error> or C<refused>.

=head2 reason, message

A word for why, like C<no_match>, C<role> or C<gone>: of a reply without values, of a node that left a
watch, of presence (C<alive>, C<suspect>, C<gone>, C<left>). The message is one sentence of the other
node, for people: mind control characters before you print it.

=head2 items, item, value, values

The variables, each a L<Net::Lcast::Item>: all of them; that with a name; the value of that with a
name, C<undef> when there is none. C<item> and C<value> without a name are of the first one. C<values>
is a reference to a hash of all values by name.

=head2 removed

The names of variables that have no value any more.

=head2 lost

Of an overflow: how many events are lost.

=cut
