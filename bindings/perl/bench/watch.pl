#!/usr/bin/env perl

# Measures how many changes a watch hands to Perl without loss.
#
#     perl -Ilib bench/watch.pl FLOOD [AGENTS] [VALUES] [PAUSE_MS] [SECONDS]
#
# FLOOD is the built example "flood" of the crate lcast. So many agents, in one process, count so
# many values up each so many milliseconds; this process watches them all and reads each value, in a
# network namespace of its own. Prints how many changes a second arrived, and how many were lost;
# ends with 1 when any was. LIBRECAST_BIN names the program.

use 5.020;
use strict;
use warnings;

use FindBin ();
use lib "$FindBin::Bin/../t/lib";
use IPC::Open2 ();
use LcastLab;
use Net::Lcast;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

my $flood = shift @ARGV // die "usage: watch.pl FLOOD [AGENTS] [VALUES] [PAUSE_MS] [SECONDS]\n";
my ($agents, $values, $pause, $seconds) = (@ARGV, (20, 78, 15, 10)[@ARGV .. 3]);
my $lab = LcastLab->new;
my @credentials = map { $lab->credential("n$_") } 1 .. $agents;
my $pid = IPC::Open2::open2(my $from, my $to, $flood, $pause, $values, $seconds, @credentials);
$to->autoflush;
<$from> eq "ready\n" or die "the flood does not begin\n";
my $node = Net::Lcast->new;
my $watch = $node->watch('flood.value[*]', timeout => 20);
my $begun = $watch->next;
$begun = $watch->next until $begun->kind eq 'report';
$begun->answered == $agents or die "not all answered: $begun\n";

print {$to} "go\n";
my ($found, $lost, $rounds) = (0, 0, undef);
my %newest;
my $start = my $last = clock_gettime(CLOCK_MONOTONIC);
while (1) {
    my $event = eval { $watch->next(timeout => 1) };
    if (!$event) {
        last if defined $rounds;
        vec(my $ready = '', fileno $from, 1) = 1;
        $rounds = 0 + <$from> if select $ready, undef, undef, 0;
        next;
    }
    $lost += $event->lost if $event->kind eq 'overflow';
    next unless $event->kind eq 'changed';
    my $of = $newest{ $event->node } //= {};
    for my $item ($event->items) {
        $found++;
        $of->{ $item->name } = $item->value;
    }
    $last = clock_gettime(CLOCK_MONOTONIC);
}
print {$to} "end\n";
waitpid $pid, 0;
my $wanted = $rounds * $agents * $values;
my $newest = grep { $_ == $rounds } map { values %{$_} } values %newest;
my $took = $last - $start;
my ($user, $system) = times;
printf "%d agents, %d values each %d ms: %d changes in %.2f s, %.0f a second; %d of %d not seen, "
    . "%d events lost; %.2f s of processor time\n", $agents, $values, $pause, $found, $took,
    $found / $took, $wanted - $found, $wanted, $lost, $user + $system;
exit($lost == 0 && $found == $wanted && $newest == $agents * $values ? 0 : 1);
