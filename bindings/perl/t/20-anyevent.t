use 5.020;
use strict;
use warnings;

use FindBin ();
use lib "$FindBin::Bin/lib";
use LcastLab;
use Net::Lcast;
use Test::More;

BEGIN { eval { require AnyEvent; 1 } or LcastLab::skip('there is no AnyEvent') }

my $lab  = LcastLab->new('web1');
my $node = $lab->asker;
my $done = AnyEvent->condvar;
my ($replies, $watch) = ($node->get('host.name'), $node->watch('host.name', every => 0.05));
my (@replies, %kinds, $ticks);
my %ready;
$ready{replies} = AnyEvent->io(fh => $replies->fileno, poll => 'r', cb => sub {
    push @replies, map { $_->node } $replies->take;
    delete $ready{replies} if $replies->ended;
});
$ready{watch} = AnyEvent->io(fh => $watch->fileno, poll => 'r', cb => sub {
    $kinds{ $_->kind }++ for $watch->take;
    $watch->cancel if ($kinds{changed} // 0) >= 3;
    return unless $watch->ended;
    delete $ready{watch};
    $done->send('ended');
});
$ready{tick} = AnyEvent->timer(after => 0, interval => 0.01, cb => sub { $ticks++ });
my $late = AnyEvent->timer(after => 60, cb => sub { $done->send('late') });

is $done->recv, 'ended', 'the watch came to its end';
is_deeply \@replies, ['web1'], 'the replies came';
is $replies->report->answered, 1, 'and their report';
is $kinds{reply}, 1, 'what it is at first';
is $kinds{report}, 1, 'the report';
cmp_ok $kinds{changed}, '>=', 3, 'what comes then';
cmp_ok $ticks, '>', 1, 'the loop went on meanwhile';

done_testing;
