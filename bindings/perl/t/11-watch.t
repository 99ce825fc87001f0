use 5.020;
use strict;
use warnings;

use FindBin ();
use lib "$FindBin::Bin/lib";
use LcastLab;
use Net::Lcast;
use Test::More;

my $lab  = LcastLab->new('web1');
my $node = $lab->asker;

my $app      = $lab->application('app1');
my $variable = $app->expose('app.length', 'int');
$variable->publish(1);

my $watch = $node->watch('app.length', only => 'app1', expect => 'app1', timeout => 20);
my %begun = map { $_->kind => $_ } map { $watch->next(timeout => 20) } 1, 2;
is $begun{reply}->value('app.length'), 1, 'what it is at first';
is $begun{report}->answered, 1, 'the report';

$variable->publish(2);
my $changed = $watch->next(timeout => 20);
is $changed->kind, 'changed', 'it has changed';
is $changed->node, 'app1', 'at its node';
is $changed->value, 2, 'to this';
is $changed->item->skipped, 0, 'none was skipped';

$variable->withdraw;
my $removed = $watch->next(timeout => 20);
is_deeply [$removed->removed], ['app.length'], 'it has no value any more';
$app->close;
my $left = $watch->next(timeout => 60);
$left = $watch->next(timeout => 60) until $left->kind eq 'left';
is $left->node, 'app1', 'it left';
is $left->reason, 'left', 'with a goodbye';

subtest 'a predicate that begins to hold' => sub {
    my $app = $lab->application('app2');
    my $length = $app->expose('app.length', 'int');
    $length->publish(1);
    my $watch = $node->watch('app.length', only => 'app2', expect => 'app2',
        matching => 'app.length > 5', timeout => 20);
    1 until $watch->next(timeout => 20)->kind eq 'report';
    $length->publish(6);
    my $event = $watch->next(timeout => 20);
    is $event->kind, 'entered', 'entered';
    is_deeply $event->values, { 'app.length' => 6 }, 'with its value';
};

subtest 'every value of a flood is seen or told to be skipped' => sub {
    my $app = $lab->application('app3');
    my $number = $app->expose('app.number', 'int');
    $number->publish(0);
    my $watch = $node->watch('app.number', only => 'app3', expect => 'app3', timeout => 20);
    $number->publish($_) for 1 .. 2000;
    my ($first, $last, $seen, $lost) = (undef, -1, 0, 0);
    while ($last < 2000) {
        my $event = $watch->next(timeout => 20);
        $lost += $event->lost;
        next if $event->kind !~ /\A(?:reply|changed)\z/;
        my $item = $event->item;
        cmp_ok $item->value, '>', $last, 'in order' or last;
        $last = $item->value;
        $first //= $last;
        $seen += 1 + $item->skipped;
    }
    # It may have begun amid the flood. What lies between two values comes as one event.
    is $lost, 0, 'no event is lost';
    is $seen, 2001 - $first, 'each value is seen or skipped';
    is $last, 2000, 'the newest comes';
};

subtest 'each so often' => sub {
    my $watch = $node->watch('host.name', only => 'web1', every => 0.05);
    my %kinds;
    $kinds{ $watch->next(timeout => 20)->kind }++ for 1 .. 6;
    cmp_ok $kinds{changed}, '>=', 4, 'though nothing changes';
};

subtest 'a watch ends when it is cancelled' => sub {
    my $watch = $node->watch('host.name', only => 'web1', every => 0.05);
    $watch->next(timeout => 20);
    $watch->cancel;
    my $count = 0;
    $count++ while $watch->next(timeout => 20);
    ok $watch->ended, 'it is at its end';
};

done_testing;
