use 5.020;
use strict;
use warnings;
use utf8;

use FindBin ();
use lib "$FindBin::Bin/lib";
use JSON::PP ();
use LcastLab;
use Net::Lcast;
use Test::More;

my $lab  = LcastLab->new('web1');
my $node = $lab->asker;
my $app  = $lab->application('app1');

sub asked {
    my ($pattern) = @_;
    my $replies = $node->get($pattern, only => 'app1', expect => 'app1', timeout => 20);
    my $reply = $replies->next(timeout => 60);
    return $reply;
}

my %values = (
    bool      => JSON::PP::true(),
    int       => -9_223_372_036_854_775_807 - 1,
    float     => 0.1,
    text      => "gr\x{fc}\x{df} \x{1F600}\0!",
    bytes     => Net::Lcast::Bytes->new("\0\xff"),
    timestamp => Net::Lcast::Timestamp->new(epoch => 1_700_000_000, nanosecond => 123_000_000),
    list      => [1, 'two', [undef]],
    map       => { "\x{fc}" => 1.5, b => { c => JSON::PP::false() } },
);
for my $type (sort keys %values) {
    my $variable = $app->expose("app.value.$type", $type, description => "a \x{fc} $type");
    is $variable->name, "app.value.$type", 'its name';
    my $before = asked("app.value.$type");
    is $before->class, 'empty', "a $type has no value at first" or diag $before->class;
    $variable->publish($values{$type});
    my $back = asked("app.value.$type")->value;
    is ref $back, ref $values{$type}, "it is a $type";
    is_deeply $back, $values{$type}, "the $type is what it was";
    $variable->publish(undef);
    is asked("app.value.$type")->value, undef, 'it is known to have none';
}

my $usage = $app->expose('app.disk[*].usage', 'float', unit => '1');
$usage->publish_key("/v\x{fc}r", 0.25);
my $item = asked('app.disk[*].usage')->item;
is $item->name, "app.disk[\"/v\x{fc}r\"].usage", 'an instance of a map';
is $item->unit, '1', 'its unit';
$usage->withdraw;
is asked('app.disk[*].usage')->class, 'empty', 'withdrawn';

undef $usage;
my $kept = $app->expose('app.kept', 'int');
$kept->publish(3);
undef $kept;
is asked('app.kept')->value, 3, 'a variable stays when its object is dropped';

subtest 'a setting' => sub {
    my $workers =
        $app->expose_setting('app.workers', 'int', 4, min => 1, max => 64, unit => '{job}');
    is $workers->name, 'app.workers', 'its name';
    is $workers->value, 4, 'the default';
    ok !eval { $workers->changed(timeout => 0.01); 1 }, 'nobody wrote it';
    is $@->kind, 'timeout', 'in time';
    my @only = (only => 'app1', expect => 'app1', timeout => 20);
    ok $node->set('app.workers', 8, @only)->is_complete, 'written';
    is $workers->changed(timeout => 20), 8, 'it is told';
    is $workers->value, 8, 'and has it';
    my $report = $node->set('app.workers', 65, @only);
    like +($report->error)[0]{message}, qr/64/, 'what does not fit is refused';
    ok $node->set('app.workers', $_, @only)->is_complete, "written $_" for 9, 10;
    my @told = $workers->changed(timeout => 20);
    push @told, $workers->changed(timeout => 20) if $told[0] == 9;
    is $told[-1], 10, 'the newest is told';
    is_deeply [$workers->take], [], 'there are no more';
    {
        my @batches = ([9, 10], [11, 12], [13]);
        no warnings 'redefine';
        local *Net::Lcast::Stream::_fetch = sub {
            my $batch = shift @batches // return 0;
            push @{ $_[0]{ready} }, map { bless [$_], 'Written' } @{$batch};
        };
        is $workers->changed, 13, 'the newest lies behind all others';
    }
    my $greeting = $app->expose_setting('app.greeting', 'text', undef, choices => ['a', "\x{fc}"]);
    is $greeting->value, undef, 'no value until somebody sets it';
    ok $node->set('app.greeting', "\x{fc}", @only)->is_complete, 'one of the choices';
    vec(my $ready = '', $greeting->fileno, 1) = 1;
    is select($ready, undef, undef, 20), 1, 'its descriptor can be read';
    is_deeply [$greeting->take], ["\x{fc}"], 'it has it';
    $app->close;
    ok !eval { $workers->changed; 1 }, 'the node was closed';
    is $@->kind, 'ended', 'it says so';
};

# What a stream would give, with a value.
sub Written::value { $_[0][0] }

subtest 'settings are kept in the state folder' => sub {
    my @given = ('app2', state => $lab->folder . '/state-app2');
    my $app = $lab->application(@given);
    my $level = $app->expose_setting('app.level', 'float', 0.5);
    my @only = (only => 'app2', expect => 'app2', timeout => 20);
    ok $node->set('app.level', 0.75, @only)->is_complete, 'written';
    is $level->changed(timeout => 20), 0.75, 'told';
    $app->close;
    my $again = $lab->application(@given);
    is $again->expose_setting('app.level', 'float', 0.5)->value, 0.75, 'there again';
};

done_testing;
