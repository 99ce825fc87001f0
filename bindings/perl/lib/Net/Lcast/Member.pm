package Net::Lcast::Member;

use 5.020;
use strict;
use warnings;

use Net::Lcast::Handle;
use Net::Lcast::Library;
use Net::Lcast::Timestamp;
use Net::Lcast::Value qw(text);

our $VERSION = '0.1.0';

sub _at {
    my ($class, $list, $index) = @_;
    my %self;
    for my $field (qw(name kind state via software)) {
        $self{$field} = text(Net::Lcast::Library->can("lcast_members_$field")->($list, $index));
    }
    my $heard = Net::Lcast::Library::lcast_members_last_heard_ms($list, $index);
    $self{last_heard} = $heard < 0 ? undef : Net::Lcast::Timestamp->from_millis($heard);
    $self{duplicate} = Net::Lcast::Library::lcast_members_is_duplicate($list, $index);
    $self{labels} = {
        map {
            text(Net::Lcast::Library::lcast_members_label_key($list, $index, $_)) =>
                text(Net::Lcast::Library::lcast_members_label_value($list, $index, $_))
        } 0 .. Net::Lcast::Library::lcast_members_label_count($list, $index) - 1
    };
    my $roles = Net::Lcast::Library::lcast_members_role_count($list, $index);
    $self{roles} =
        [map { text(Net::Lcast::Library::lcast_members_role($list, $index, $_)) } 0 .. $roles - 1];
    return bless \%self, $class;
}

sub name         { $_[0]{name} }
sub kind         { $_[0]{kind} }
sub state        { $_[0]{state} }
sub via          { $_[0]{via} }
sub software     { $_[0]{software} }
sub last_heard   { $_[0]{last_heard} }
sub is_duplicate { $_[0]{duplicate} }
sub labels       { $_[0]{labels} }
sub roles        { @{ $_[0]{roles} } }

# A list of the library.
package Net::Lcast::Members;

our @ISA = ('Net::Lcast::Handle');

sub all {
    my ($self) = @_;
    my $count = Net::Lcast::Library::lcast_members_count($self->{handle});
    return map { Net::Lcast::Member->_at($self->{handle}, $_) } 0 .. $count - 1;
}

sub _free { Net::Lcast::Library::lcast_members_free($_[1]) }

1;

__END__

=encoding utf8

=head1 NAME

Net::Lcast::Member - a member of the realm, with its presence

=head1 SYNOPSIS

    use Net::Lcast;

    for my $member (Net::Lcast->new->members) {
        print $member->name, ' is ', $member->state, "\n" if $member->kind eq 'agent';
    }

=head1 METHODS

=head2 name, kind, labels, roles

What is certified: its name, C<agent> or C<client>, its labels (a reference to a hash), its roles (a
list).

=head2 state, via, last_heard

Its presence: C<alive>, C<suspect>, C<gone>, C<left> or C<never>; how that is known: C<multicast>,
C<unicast>, C<told>, C<remembered> or empty; when it was last heard, a L<Net::Lcast::Timestamp> or
C<undef>.

=head2 software

The version of its software; empty when it has not said.

=head2 is_duplicate

Whether two processes run with its credential.

=cut
