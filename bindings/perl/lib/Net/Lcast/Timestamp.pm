package Net::Lcast::Timestamp;

use 5.020;
use strict;
use warnings;

use Net::Lcast::Error;
use POSIX ();
use Time::HiRes ();
use overload
    '""'     => sub { $_[0]->rfc3339 },
    '<=>'    => sub { my $it = $_[0]->millis <=> millis_of($_[1]); $_[2] ? -$it : $it },
    'cmp'    => sub { my $it = $_[0]->rfc3339 cmp "$_[1]"; $_[2] ? -$it : $it },
    'bool'   => sub { 1 },
    fallback => undef;

our $VERSION = '0.1.0';

sub from_millis {
    my ($class, $millis) = @_;
    defined $millis && $millis =~ /\A-?[0-9]+\z/ or _invalid('milliseconds', $millis);
    # What is too small becomes a float, and is written with an exponent.
    my $copy = 0 + $millis;
    $copy <= 9_223_372_036_854_775_807 && $copy =~ /\A-?[0-9]+\z/
        or _invalid('milliseconds of 64 bits', $millis);
    return bless \$copy, $class;
}

sub new {
    my ($class, %given) = @_;
    my $epoch = delete $given{epoch};
    my $nanosecond = delete $given{nanosecond} // 0;
    my ($other) = sort keys %given;
    Net::Lcast::Error->throw('invalid', "a timestamp has no '$other'") if defined $other;
    defined $epoch && $epoch =~ /\A-?[0-9]{1,15}\z/ or _invalid('whole seconds', $epoch);
    $nanosecond =~ /\A[0-9]{1,9}\z/ or _invalid('nanoseconds', $nanosecond);
    return $class->from_millis($epoch * 1000 + int($nanosecond / 1_000_000));
}

sub now { $_[0]->from_millis(sprintf '%.0f', Time::HiRes::time() * 1000) }

sub millis     { ${ $_[0] } }
sub epoch      { my $it = ${ $_[0] }; ($it - $it % 1000) / 1000 }
sub nanosecond { ${ $_[0] } % 1000 * 1_000_000 }

sub hires_epoch { ${ $_[0] } / 1000 }

# The milliseconds of what can be taken for a timestamp: ours, and that of a DateTime.
sub millis_of {
    my ($it) = @_;
    if (ref $it && UNIVERSAL::can($it, 'epoch')) {
        return $it->millis if $it->isa(__PACKAGE__);
        my $nanosecond = $it->can('nanosecond') ? $it->nanosecond : 0;
        return $it->epoch * 1000 + int($nanosecond / 1_000_000);
    }
    return _invalid('time: use a Net::Lcast::Timestamp or a DateTime', $it);
}

# Days are turned into dates by counting from the first of March of the year 0.
sub rfc3339 {
    my ($self) = @_;
    my ($millis, $seconds) = (${$self} % 1000, $self->epoch);
    my $second = $seconds % 86_400;
    my $day = ($seconds - $second) / 86_400 + 719_468;
    my $of_era = $day % 146_097;
    my $era = ($day - $of_era) / 146_097;
    my $year = _whole($of_era - _whole($of_era, 1460) + _whole($of_era, 36_524)
            - _whole($of_era, 146_096), 365);
    my $of_year = $of_era - (365 * $year + _whole($year, 4) - _whole($year, 100));
    my $month = _whole(5 * $of_year + 2, 153);
    my $date = $of_year - _whole(153 * $month + 2, 5) + 1;
    $month += $month < 10 ? 3 : -9;
    $year += $era * 400 + ($month <= 2 ? 1 : 0);
    my $fraction = $millis ? sprintf('.%03d', $millis) : '';
    return sprintf '%s%04d-%02d-%02dT%02d:%02d:%02d%sZ', $year < 0 ? '-' : '', abs $year, $month,
        $date, _whole($second, 3600), _whole($second, 60) % 60, $second % 60, $fraction;
}

sub _whole { POSIX::floor($_[0] / $_[1]) }

sub _invalid {
    my ($what, $given) = @_;
    $given = defined $given ? "'$given'" : 'undef';
    Net::Lcast::Error->throw('invalid', "$given is no $what");
}

1;

__END__

=encoding utf8

=head1 NAME

Net::Lcast::Timestamp - a point in wall-clock time

=head1 SYNOPSIS

    use Net::Lcast::Timestamp;

    my $time = Net::Lcast::Timestamp->new(epoch => 1_700_000_000, nanosecond => 250_000_000);
    print "$time\n";                        # 2023-11-14T22:13:20.250Z
    print $time->nanosecond, "\n";          # 250000000
    print "later\n" if Net::Lcast::Timestamp->now > $time;

=head1 DESCRIPTION

Exact to the millisecond, which is what travels: of nanoseconds the whole milliseconds are kept.
Timestamps compare with each other, and with objects that have C<epoch> and C<nanosecond>, like a
L<DateTime>. These are also taken wherever a timestamp is published.

=head1 METHODS

=head2 new

By C<epoch>, whole seconds since 1970, and C<nanosecond>, 0 when left out.

=head2 from_millis

By milliseconds since 1970.

=head2 now

By the clock of this host.

=head2 epoch, nanosecond, millis, hires_epoch

Whole seconds since 1970; the nanoseconds after these; milliseconds since 1970; seconds since 1970
with a fraction.

=head2 rfc3339

Like C<2023-11-14T22:13:20.250Z>, which is also what the object is as a string.

=head2 millis_of

A function: the milliseconds of a timestamp or a DateTime.

=cut
