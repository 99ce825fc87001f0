use 5.020;
use strict;
use warnings;
use utf8;

use FindBin ();
use lib "$FindBin::Bin/lib";
use LcastLab;
use Net::Lcast;
use Test::More;

my $lab  = LcastLab->new(qw(db1 web1 web2));
my $node = $lab->asker;

is $node->realm, 'lab', 'the realm';
like $node->library, qr/\A[0-9]+\.[0-9]+\.[0-9]+\z/, 'the version of the library';

subtest 'a get gives a reply of each node and ends in a report' => sub {
    my $replies = $node->get(['app.owner', 'host.name'], on => 'web*', timeout => 10);
    my %owner;
    while (my $reply = $replies->next(timeout => 30)) {
        is $reply->kind, 'reply', 'a reply';
        is $reply->class, 'answered', 'it answered';
        $owner{ $reply->node } = $reply->value('app.owner');
        my $item = $reply->item('app.owner');
        is $item->unit, '', 'no unit';
        like $item->version, qr/\A[0-9]+\.[0-9]+\z/, 'a version';
        cmp_ok abs($item->time->hires_epoch - time), '<', 600, 'the time is of now';
        cmp_ok $item->age, '>=', 0, 'an age';
        is_deeply [sort keys %{ $reply->values }], ['app.owner', 'host.name'], 'both';
    }
    is_deeply \%owner, { web1 => 'team-web1', web2 => 'team-web2' }, 'the values';
    ok $replies->ended, 'the end';
    is $replies->next, undef, 'it stays the end';
    my $report = $replies->report;
    ok $report->is_complete && $report->heard && $report->sent, 'complete';
    is $report->answered, 2, 'two answered';
    is "$report", '2 expected: 2 answered', 'in words';
    cmp_ok $report->elapsed, '>', 0, 'it took a time';
};

subtest 'a report can be had first' => sub {
    my $replies = $node->get('app.owner');
    is $replies->report(timeout => 30)->answered, 3, 'three answered';
    my %seen;
    while (my $reply = $replies->next) { $seen{ $reply->node }++ }
    is_deeply \%seen, { db1 => 1, web1 => 1, web2 => 1 }, 'and the replies are there';
};

subtest 'nodes say which variables they have' => sub {
    my $replies = $node->variables(on => 'web1');
    my $reply = $replies->next(timeout => 30);
    is $reply->node, 'web1', 'the node';
    is $reply->class, 'answered', 'it answered';
    my $uptime = $reply->item('system.uptime');
    is $uptime->unit, 's', 'a unit';
    is $uptime->value->{type}, 'float', 'a type';
    is $uptime->value->{kind}, 'gauge', 'a kind';
    ok length $uptime->value->{description}, 'a description';
    ok !$uptime->value->{settable}, 'not settable';
    my $level = $reply->value('app.level');
    ok $level->{settable}, 'a setting';
    is_deeply [@{$level}{qw(kind min max)}], ['setting', 0, 1.5], 'its limits';
    is $reply->value('app.greeting')->{length_max}, 64, 'a length';
    is $replies->next, undef, 'the end';
    is $replies->report->answered, 1, 'one answered';
    eval { $node->variables(matching => '1 +'); 1 } and die 'no error';
    is $@->kind, 'invalid', 'a predicate that is none';
};

subtest 'targets' => sub {
    my $asked = sub {
        my $it = $node->get('app.owner', @_);
        $it->report;
        return sort map { $_->node } grep { $_->class eq 'answered' } $it->take;
    };
    is_deeply [$asked->(not => 'web*')], ['db1'], 'not';
    is_deeply [$asked->(on => 'db1', not => [])], ['db1'], 'a list of nobody leaves out nobody';
    is_deeply [$asked->(label => { role => 'web' })], [qw(web1 web2)], 'label';
    is_deeply [$asked->(on => ['web1', 'db*'])], [qw(db1 web1)], 'several globs';
    is_deeply [$asked->(only => ['web2'])], ['web2'], 'only';
    is_deeply [$asked->(only => 'web2,db1')], [qw(db1 web2)], 'only, with commas';
    is_deeply [$asked->(matching => 'app.owner == "team-db1"')], ['db1'], 'matching';
};

subtest 'who does not answer stands in the report' => sub {
    my @nobody = (only => ['nobody'], expect => ['nobody']);
    my $report = $node->get('app.owner', @nobody, timeout => 0.3)->report;
    ok !$report->is_complete, 'not complete';
    my ($missing) = $report->missing;
    is $missing->{node}, 'nobody', 'its name';
    is $missing->{last_heard}, undef, 'never heard';
    is $missing->{reason}, 'never', 'its presence';
    is scalar($report->missing), 1, 'one';
    is $node->get('app.owner', only => 'web1', expect => $_)->report->expected, 1, 'none beside'
        for [], '';
    is $node->get('app.owner', only => $_)->report->expected, 0, 'a list of nobody asks nobody'
        for [], '';
    my $none = $node->get('app.nothing', only => ['web1'])->report;
    my ($empty) = $none->empty;
    is $empty->{reason}, 'no_variable', 'a word for why it is empty';
};

subtest 'set' => sub {
    is $node->set('app.level', 0.25, on => 'web*')->answered, 2, 'a number';
    is $node->get('app.level', only => 'web1')->next->value, 0.25, 'it has it';
    my $text = "gr\x{fc}\x{df} \x{1F600}";
    ok $node->set('app.greeting', $text)->is_complete, 'text outside of ASCII';
    is $node->get('app.greeting', only => 'db1')->next->value, $text, 'the same';
    my $replies = $node->set_each('app.greeting', $text, only => 'db1');
    my $item = $replies->next->item('app.greeting');
    is $item->result, 'unchanged', 'what became of it';
    my $conflict = $node->set_each('app.greeting', 'x', only => 'db1', if_version => '1.99');
    my ($error) = $conflict->report->error;
    is $error->{reason}, 'conflict', 'compare and set';
    ok $node->set('app.greeting', 'y', only => 'db1', if_version => $item->version)->is_complete,
        'the right version';
    my $high = $node->set('app.level', 99, only => 'db1');
    like +($high->error)[0]{message}, qr/1\.5/, 'what is too high is refused';
    my $typed = $node->set('app.queue.workers', Net::Lcast::Value::TRUE(), only => 'db1');
    is scalar($typed->error), 1, 'a value of another type';
};

subtest 'several settings at once' => sub {
    my @db1 = (only => 'db1');
    my $held = sub {
        my %held = map { $_->name => $_->value }
            $node->get(['app.level', 'app.queue.workers'], @db1)->next->items;
        return \%held;
    };
    my %both = ('app.level' => 0.125, 'app.queue.workers' => 5);
    my $before = $held->();
    my %wrong = (%both, 'app.queue.workers' => 65);
    my %results = map { $_->name => $_->result } $node->set_all_each(\%wrong, @db1)->next->items;
    is_deeply \%results, { 'app.level' => 'unchanged', 'app.queue.workers' => 'invalid' },
        'one of them is wrong';
    is scalar($node->set_all(\%wrong, @db1)->error), 1, 'which is told';
    is_deeply $held->(), $before, 'neither is written';
    ok $node->set_all(\%both, @db1, dry_run => 1)->is_complete, 'they would be';
    ok $node->set('app.level', 0.125, @db1, dry_run => 1)->is_complete, 'one would be';
    is scalar($node->set('app.level', 9, @db1, dry_run => 1)->error), 1, 'another would not';
    is_deeply $held->(), $before, 'a dry run writes none';
    ok $node->set_all(\%both, @db1, dry_run => 0)->is_complete, 'they are';
    is_deeply $held->(), \%both, 'both are written';
    my %typed = (%both, 'app.level' => Net::Lcast::Value::TRUE());
    is scalar($node->set_all(\%typed, @db1)->error), 1, 'a value of another type';
};

subtest 'a member without the role is refused' => sub {
    my $reader = Net::Lcast->new(credential => $lab->credential('reader', '--client'));
    my $report = $reader->set('app.level', 1, only => ['web1'], expect => ['web1'], timeout => 10);
    my ($refused) = $report->refused;
    is $refused->{node}, 'web1', 'web1 would not';
    is $refused->{reason}, 'role', 'for want of a role';
    like $refused->{message}, qr/\w/, 'it says so';
};

subtest 'members, presence, ping' => sub {
    my %state = map { $_->name => $_ } $node->members;
    is $state{web1}->state, 'alive', 'web1 is alive';
    is $state{web1}->kind, 'agent', 'an agent';
    is_deeply $state{web1}->labels, { role => 'web' }, 'its label';
    is_deeply [$state{web1}->roles], [], 'no role';
    ok defined $state{web1}->last_heard, 'it was heard';
    ok !$state{web1}->is_duplicate, 'once';
    cmp_ok $node->ping('web1', timeout => 10), '>', 0, 'a round trip';
    is $node->ping('nobody', timeout => 0.05), undef, 'no answer';
    my $changes = $node->presence;
    my $app = $lab->application('app1');
    my $next = sub {
        while (my $event = $changes->next(timeout => 60)) {
            return $event->reason if $event->kind eq 'presence' && $event->node eq 'app1';
        }
    };
    is $next->(), 'alive', 'it came';
    $app->close;
    is $next->(), 'left', 'and left';
};

subtest 'a clock of the host that is set ends no wait' => sub {
    my ($hours, @web1) = (0, only => 'web1', expect => 'web1', timeout => 20);
    no warnings qw(redefine prototype);
    local *Time::HiRes::time = sub () { 3600 * ++$hours };
    ok eval { $node->get('app.owner', @web1)->next(timeout => 20) }, 'for a reply' or diag $@;
    ok eval { $node->get('app.owner', @web1)->report(timeout => 20) }, 'for the report' or diag $@;
};

subtest 'without waiting' => sub {
    my $replies = $node->get('app.owner', only => ['nobody'], expect => ['nobody'], timeout => 600);
    is_deeply [$replies->take], [], 'nothing is there';
    ok !$replies->ended, 'and it has not ended';
    is eval { $replies->next(timeout => 0.01); 1 }, undef, 'nothing comes';
    is $@->kind, 'timeout', 'in time';
    like "$@", qr/nothing came in 0\.01 seconds at \Q$0\E line [0-9]+\.$/, 'told where';
    is eval { $replies->report(timeout => 0.02); 1 }, undef, 'no report';
    like "$@", qr/nothing came in 0\.02 seconds at/, 'in the time that was given';
    $replies->cancel;
    is $replies->next(timeout => 10), undef, 'cancelled';
};

subtest 'a question that could not be asked says why, each time' => sub {
    system(qw(ip link set), $_, 'down') == 0 or die "$_ stays" for qw(lcast0 lo);
    my $replies = Net::Lcast->new->get('app.owner', timeout => 20);
    for (1, 2) {
        is eval { $replies->report(timeout => 20); 1 }, undef, 'no report';
        is $@->kind, 'network', 'as there is no network' or diag $@;
        like "$@", qr/ at \Q$0\E line [0-9]+\.$/, 'told where';
    }
};

done_testing;
