use 5.020;
use strict;
use warnings;

use FindBin ();
use lib "$FindBin::Bin/lib";
use Cwd ();

# The chapter is in the repository, not in the distribution.
my $chapter;
BEGIN {
    $chapter = $ENV{LCAST_BOOK} // "$FindBin::Bin/../../../docs/book/src/perl.md";
    if (!-e $chapter) {
        print "1..0 # SKIP the book is not here\n";
        exit 0;
    }
    $chapter = Cwd::abs_path($chapter);
}

use LcastLab;
use Net::Lcast;
use Test::More;

my @listings = LcastLab::read_file($chapter) =~ /^```perl\n(.*?)^```$/msg;
is @listings, 6, 'the listings that this test knows';
my ($ten, $monitor, $application, $dashboard, $loop, $variables) = @listings;

my $lab = LcastLab->new(qw(web1 web2));
my $node = $lab->asker;

my ($status, $said) = $lab->run_perl($ten);
is $status, 0, 'the ten lines run' or diag $said;
like $said, qr/^web1 [0-9.]+$/m, 'they print a load';
like $said, qr/^2 expected: 2 answered$/m, 'and the report';
($status, $said) = $lab->run_perl($ten =~ s/\$load > 4/\$load >= 0/r);
is $status, 0, 'they run where the load is high' or diag $said;
is scalar(() = $said =~ /^1 expected: 1 answered$/mg), 2, 'and set a setting';

($status, $said) = $lab->run_perl($variables);
is $status, 0, 'the variables are listed' or diag $said;
like $said, qr/^web1 system\.uptime float s not settable$/m, 'one of them';
like $said, qr/^web2 app\.level float  settable$/m, 'and a setting';

my $serial = 0;
sub begun {
    my ($listing) = @_;
    my $path = $lab->folder . '/listing-' . ++$serial . '.pl';
    LcastLab::write_file($path, $listing);
    return ($lab->spawn_perl($path, "$path.out"), "$path.out");
}

sub ended {
    my ($pid) = @_;
    kill 'TERM', $pid;
    waitpid $pid, 0;
    is $? & 127, 15, 'it went on until now';
}

$lab->credential('queue');
my ($queue, $of_queue) = begun($application);
$lab->wait_for($of_queue, qr/^working with 4$/m, $queue);
my @queue = (only => 'queue', expect => 'queue', timeout => 20);
is $node->get('app.queue.length', @queue)->next->value, 0, 'the application has a variable';
isa_ok $node->get('app.queue.started', @queue)->next->value, 'Net::Lcast::Timestamp';
ok $node->set('app.queue.workers', 9, @queue)->is_complete, 'and a setting';
$lab->wait_for($of_queue, qr/^working with 9 from here on$/m, $queue);
pass 'of which it hears';
ended($queue);

my ($watching, $of_monitor) = begun($monitor);
my $app = $lab->application('app1');
$app->expose_setting('app.queue.workers', 'int', 4);
$app->expose('app.queue.length', 'int')->publish(150);
$lab->wait_for($of_monitor, qr/^app1: 150 jobs wait; 1 expected: 1 answered$/m, $watching);
$app->close;
$lab->wait_for($of_monitor, qr/^app1 left: left$/m, $watching);
pass 'the monitor acts on what it sees';
ended($watching);

my ($line, $of_line) = begun($dashboard);
$lab->wait_for($of_line, qr/\rweb1 [0-9.]+  web2 [0-9.]+/, $line);
pass 'the dashboard shows both';
ended($line);

SKIP: {
    skip 'there is no AnyEvent', 1 unless eval { require AnyEvent };
    my ($looping, $of_loop) = begun($loop);
    $lab->wait_for($of_loop, qr/^web2 [0-9.]+$/m, $looping);
    pass 'the loop of AnyEvent runs';
    ended($looping);
}

done_testing;
