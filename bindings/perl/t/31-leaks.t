use 5.020;
use strict;
use warnings;

use FindBin ();
use lib "$FindBin::Bin/lib";
use LcastLab;
use Net::Lcast;
use Test::More;

my $lab      = LcastLab->new('web1');
my $node     = $lab->asker;
my $app      = $lab->application('app1');
my $variable = $app->expose('app.length', 'int');
my $map      = $app->expose('app.map', 'map');
my $setting  = $app->expose_setting('app.size', 'int', 1);

sub once {
    my ($number) = @_;
    $variable->publish($number);
    $map->publish({ list => [1 .. 5, { text => "number $number" }] });
    eval { $variable->publish('x'); 1 } and die 'no error';
    eval { $map->publish({ list => [1, sub { }] }); 1 } and die 'no error';
    $setting->value == 1 or die 'the setting is another';
    my $other = $app->expose('app.other', 'text');
    $other->publish("number $number");
    $app->expose_setting('app.twice', 'int', $number)->value == $number or die 'another';
    $other->withdraw if $number % 2;
    my $replies = $node->get('app.owner', only => 'web1');
    $replies->next->value eq 'team-web1' or die 'another value';
    $replies->report->answered == 1 or die 'no answer';
    my $watch = $node->watch('app.owner', only => 'nobody', expect => 'nobody');
    $watch->take;
    $node->presence;
    if ($number % 10 == 0) {
        my @variables = (only => 'web1', expect => 'web1', timeout => 20);
        my $told = $node->variables(@variables)->next;
        $told->value('app.owner')->{type} eq 'text' or die 'another type';
    }
    $node->members > 1 or die 'no members';
}

# A node that does a little of everything, and is closed or forgotten.
sub open_once {
    my ($number) = @_;
    my $opened = $lab->application('app2');
    $opened->expose('app.length', 'int')->publish($number);
    my $size = $opened->expose_setting('app.size', 'int', 1);
    my @asked = ($opened->get('app.length'), $opened->watch('app.length'), $opened->presence);
    eval { $size->changed(timeout => 0); 1 } and die 'nobody has written it';
    $opened->close if $number % 2;
}

sub resident {
    my ($line) = grep { /\AVmRSS/ } split /\n/, LcastLab::read_file('/proc/self/status');
    return $line =~ /([0-9]+)/ ? $1 : die 'no VmRSS';
}

sub descriptors { scalar(() = glob '/proc/self/fd/*') }
sub threads     { scalar(() = glob '/proc/self/task/*') }

once($_) for 1 .. 1000;
my $handles = Net::Lcast::Library::lcast_handle_count();
my ($before, $open) = (resident(), descriptors());
once($_) for 1 .. 10_000;
is Net::Lcast::Library::lcast_handle_count(), $handles, 'no handle is left over';
# A few are open for a moment: the node's thread reads files, and closes the last streams.
cmp_ok descriptors(), '<=', $open + 8, 'no descriptor';
cmp_ok resident() - $before, '<', 4096, 'no memory, in KiB';

# Those that hear them remember the processes they heard last: many, with limits of their own.
$_->close for $app, $node;
$handles = Net::Lcast::Library::lcast_handle_count();
open_once($_) for 1 .. 300;
my $threads = threads();
($before, $open) = (resident(), descriptors());
open_once($_) for 1 .. 3000;
is Net::Lcast::Library::lcast_handle_count(), $handles, 'nodes leave no handle';
cmp_ok descriptors(), '<=', $open + 8, 'no descriptor';
cmp_ok threads(), '<=', $threads + 2, 'no thread';
cmp_ok resident() - $before, '<', 4096, 'no memory, in KiB';

done_testing;
