#!/usr/bin/env perl

# Measures a warm question from Perl, as crates/lcast/examples/warm.rs does from Rust.
#
#     perl -Ilib bench/warm.pl [AGENTS] [QUESTIONS]
#
# starts so many agents on this host, each its own process, and prints the time to the last reply.
# The realm is of host scope: nothing leaves the machine. LIBRECAST_BIN names the program.

use 5.020;
use strict;
use warnings;

use File::Temp ();
use Net::Lcast;
use POSIX ();
use Time::HiRes ();

my ($count, $questions) = (@ARGV, (10, 200)[@ARGV .. 1]);
my $binary = $ENV{LIBRECAST_BIN} // '../../target/release/librecast';
my $folder = File::Temp->newdir('librecast-warm-XXXXXX', TMPDIR => 1);
@ENV{qw(LIBRECAST_HOME XDG_RUNTIME_DIR)} = ("$folder") x 2;

sub librecast {
    my (@words) = @_;
    my $pid = fork // die "cannot fork: $!\n";
    return $pid if $pid;
    open STDIN,  '<', '/dev/null';
    open STDOUT, '>', '/dev/null';
    open STDERR, '>', '/dev/null';
    exec $binary, @words or POSIX::_exit(127);
}

sub done {
    my ($pid) = @_;
    waitpid $pid, 0;
    die "a command of librecast failed\n" if $?;
}

done(librecast(qw(realm create warm --scope host)));
open my $hosts, '>', "$folder/hosts.csv" or die $!;
print {$hosts} "name\n", map { "n$_\n" } 0 .. $count - 1;
close $hosts or die $!;
my @issue = ('--from', "$folder/hosts.csv", '--out-dir', "$folder/issued");
done(librecast(qw(realm issue --realm warm), @issue));
my @agents;
for my $credential (glob "$folder/issued/*") {
    my ($name) = $credential =~ m{([^/]+)\z};
    push @agents, librecast('agent', '--credential', $credential, '--state', "$folder/state/$name");
}
my $done = eval { ask(); 1 };
my $error = $@;
kill 'KILL', @agents;
waitpid $_, 0 for @agents;
die $error unless $done;

sub ask {
    my $node = Net::Lcast->new(
        credential => "$folder/realms/warm/credential",
        registry   => "$folder/librecast",
    );
    1 until $node->get('host.name')->report->answered == $count;
    my (@times, $answered);
    for (1 .. $questions) {
        my $begin = my $last = Time::HiRes::clock_gettime(Time::HiRes::CLOCK_MONOTONIC());
        my $replies = $node->get('system.cpu.load_1m');
        while (my $reply = $replies->next) {
            my $load = $reply->value;
            $last = Time::HiRes::clock_gettime(Time::HiRes::CLOCK_MONOTONIC());
        }
        push @times, $last - $begin;
        $answered += $replies->report->answered;
    }
    @times = sort { $a <=> $b } @times;
    printf "%d agents, %d questions: last reply p50 %.2f ms, p95 %.2f ms, max %.2f ms; "
        . "%d of %d answers\n", $count, $questions,
        (map { 1000 * $times[$_ * $#times] } 0.5, 0.95, 1), $answered, $count * $questions;
}
