use 5.020;
use strict;
use warnings;

use FindBin ();
use lib "$FindBin::Bin/lib";
use LcastLab;
use Net::Lcast;
use Test::More;

BEGIN {
    eval { require IO::Async::Loop; require IO::Async::Handle; require IO::Async::Timer::Countdown }
        or LcastLab::skip('there is no IO::Async');
}

my $lab  = LcastLab->new('web1');
my $node = $lab->asker;
my $loop = IO::Async::Loop->new;
my ($replies, $watch) = ($node->get('host.name'), $node->watch('host.name', every => 0.05));
my (@replies, %kinds);
my $open = 2;
my $add = sub {
    my ($stream, $seen) = @_;
    $loop->add(IO::Async::Handle->new(
        read_handle   => $stream->handle,
        on_read_ready => sub {
            my ($handle) = @_;
            $seen->($_) for $stream->take;
            return unless $stream->ended;
            $loop->remove($handle);
            $loop->stop('ended') if --$open == 0;
        },
    ));
};
$add->($replies, sub { push @replies, $_[0]->node });
$add->($watch, sub {
    $kinds{ $_[0]->kind }++;
    $watch->cancel if ($kinds{changed} // 0) == 3;
});
$loop->watch_time(after => 60, code => sub { $loop->stop('late') });

is $loop->run, 'ended', 'both came to their ends';
is_deeply \@replies, ['web1'], 'the replies came';
is $replies->report->answered, 1, 'and their report';
is $kinds{reply}, 1, 'what it is at first';
is $kinds{report}, 1, 'the report';
cmp_ok $kinds{changed}, '>=', 3, 'what comes then';

done_testing;
