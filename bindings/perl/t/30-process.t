use 5.020;
use strict;
use warnings;

use Config ();
use FindBin ();
use lib "$FindBin::Bin/lib";
use LcastLab;
use Net::Lcast;
use POSIX ();
use Test::More;
use Time::HiRes ();

my $lab  = LcastLab->new('web1');
my $node = $lab->asker;

subtest 'a handler of a signal runs while a stream is waited for' => sub {
    my $watch = $node->watch('app.none', only => 'nobody');
    my $ran = 0;
    local $SIG{ALRM} = sub { die "interrupted\n" if ++$ran == 3 };
    my $begin = Time::HiRes::time();
    Time::HiRes::setitimer(Time::HiRes::ITIMER_REAL(), 0.05, 0.05);
    my $done = eval { 1 while $watch->next; 1 };
    my $error = $@;
    Time::HiRes::setitimer(Time::HiRes::ITIMER_REAL(), 0);
    ok !$done, 'it may die';
    is $error, "interrupted\n", 'of what it says';
    is $ran, 3, 'each time it ran';
    cmp_ok Time::HiRes::time() - $begin, '<', 30, 'soon';
    is $node->get('host.name', only => 'web1')->report->answered, 1, 'the node goes on';
};

subtest 'a handler of a signal runs within a second of a ping' => sub {
    my @slices;
    no warnings 'redefine';
    local *Net::Lcast::Library::lcast_ping
        = sub { push @slices, $_[2]; return Net::Lcast::Library::TIMEOUT };
    is $node->ping('web1', timeout => 4), undef, 'no answer';
    is "@slices", '100 200 400 800 1000 1000 500', 'the library never waits for longer';
};

subtest 'a handler that dies while events come over loses none' => sub {
    my $watch = $node->watch('host.name', only => 'web1', expect => 'web1', timeout => 20);
    my $new = \&Net::Lcast::Event::_new;
    my $made = 0;
    local $SIG{USR1} = sub { die "interrupted\n" };
    my $next = sub {
        no warnings 'redefine';
        local *Net::Lcast::Event::_new = sub {
            kill 'USR1', $$ if $made++ < 2;
            return $new->(@_);
        };
        return $watch->next(timeout => 20);
    };
    my $handles = Net::Lcast::Library::lcast_handle_count();
    my (@kinds, $died);
    until (@kinds == 2) {
        if (my $event = eval { $next->() }) {
            push @kinds, $event->kind;
        } else {
            is $@, "interrupted\n", 'it dies';
            ++$died > 2 and last;
        }
    }
    is "@kinds", 'reply report', 'and what came is there';
    is $died, 2, 'after it died';
    is Net::Lcast::Library::lcast_handle_count(), $handles, 'once';
};

subtest 'what the program gives may die when it is looked at' => sub {
    my $app = $lab->application('app5');
    my $map = $app->expose('app.map', 'map');
    my %gives = (
        'a text'       => sub { $node->get(Dying->new) },
        'a value'      => sub { $node->set('app.level', { in => [1, Dying->new] }) },
        'a time'       => sub { $map->publish({ at => [1, DyingTime->new] }) },
        'a tied map'   => sub { tie my %tied, 'DyingMap'; $map->publish({ in => \%tied }) },
        'by a handler' => sub {
            local $SIG{USR1} = sub { die DyingTime->new };
            $map->publish({ map { $_ => KillingTime->new } 'a' .. 'z' });
        },
    );
    my $handles = Net::Lcast::Library::lcast_handle_count();
    for my $what (sort keys %gives) {
        ok !eval { $gives{$what}->(); 1 }, "$what dies";
        isa_ok $@, 'DyingTime', 'what it died of';
    }
    is Net::Lcast::Library::lcast_handle_count(), $handles, 'and leaves nothing behind';
    $map->publish({ a => 1 });
    pass 'the node goes on';
};

subtest 'what dies while it is used leaves nothing behind' => sub {
    my $before = Net::Lcast::Library::lcast_handle_count();
    for my $round (1 .. 20) {
        eval {
            my $replies = $node->get('host.name', only => 'web1');
            while (my $reply = $replies->next) { die { round => $round } }
        };
        is $@->{round}, $round, 'it dies as it would' if $round == 20;
    }
    is Net::Lcast::Library::lcast_handle_count(), $before, 'nothing';
};

subtest 'a fork is refused, and can open a node of its own' => sub {
    my $app      = $lab->application('app1');
    my $variable = $app->expose('app.length', 'int');
    my $setting  = $app->expose_setting('app.size', 'int', 1);
    my $watch    = $node->watch('host.name', only => 'web1', every => 0.05);
    $watch->next(timeout => 20) for 1 .. 3;
    my $second = $lab->credential('app2');
    pipe my $from, my $to or die $!;
    my $pid = fork // die "cannot fork: $!";
    if (!$pid) {
        my @kinds;
        my @uses = (
            sub { $node->get('a.b') }, sub { $watch->next }, sub { $variable->publish(1) },
            sub { $setting->value }, sub { $app->close }, sub { $watch->fileno },
            sub { $node->members }, sub { $node->ping('web1', timeout => 0.001) },
        );
        for my $use (@uses) {
            push @kinds, eval { $use->(); 'none' } // $@->kind;
        }
        my $own = Net::Lcast->new(credential => $second);
        my @web1 = (only => 'web1', expect => 'web1', timeout => 20);
        push @kinds, $own->get('host.name', @web1)->report;
        syswrite $to, "@kinds";
        # It ends as programs do, with everything in its hands.
        exit 7;
    }
    close $to;
    my $said = do { local $/; <$from> };
    waitpid $pid, 0;
    is $? >> 8, 7, 'the child ends as it wants to' or diag $?;
    is $said, join(' ', ('forked') x 8, '1 expected: 1 answered'), 'each use was refused';
    is $watch->next(timeout => 20)->node, 'web1', 'the parent goes on';
    $variable->publish(2);
    is $node->get('app.length', only => 'app1', expect => 'app1', timeout => 20)->next->value, 2,
        'all of it';
};

# Threads are tried in a process of their own: they are loaded before all else there.
SKIP: {
    skip 'this perl has no threads', 2 unless $Config::Config{useithreads};
    my ($status, $said) = $lab->run_perl(<<'PROGRAM');
use threads;
use Net::Lcast;
my $node = Net::Lcast->new;
my $watch = $node->watch('host.name', every => 0.05);
$watch->next(timeout => 20);
my $said = threads->create(sub {
    my @kinds = map { my $use = $_; eval { $use->(); 'none' } // $@->kind }
        sub { $node->get('a.b') }, sub { $node->close }, sub { $watch->next };
    undef $watch;
    undef $node;
    my $own = Net::Lcast->new;
    push @kinds, ref $own->get('host.name')->report;
    "@kinds";
})->join;
print "$said\n";
print $watch->next(timeout => 20)->node, "\n";
print $node->get('host.name', only => 'web1', expect => 'web1', timeout => 20)->report, "\n";
PROGRAM
    is $status, 0, 'threads end nothing' or diag $said;
    is $said, "busy busy busy Net::Lcast::Report\nweb1\n1 expected: 1 answered\n",
        'a copy is refused, a node of its own is not, and the first goes on';
}

# However a program ends, it ends well: with a watch, a question and a setting in flight.
my %ends = (
    'by its last line' => '',
    'by exit'          => 'exit 0;',
    'by die'           => 'open STDERR, ">", "/dev/null"; $SIG{__DIE__} = sub { exit 0 }; die;',
    'in a cycle'       => 'my $cycle = [$node, $watch, $setting]; push @{$cycle}, $cycle;',
    'with globals'     => 'our ($n, $w, $q, $s) = ($node, $watch, $waiting, $setting);',
    'in an END block'  => 'our $n = $node; END { $n->get("host.name")->report }',
    'out of order'     => 'undef $node; undef $app; undef $watch;',
);
for my $how (sort keys %ends) {
    my $credential = $lab->credential('app3');
    my ($status, $said) = $lab->run_perl(<<"PROGRAM");
use strict;
use warnings;
use Net::Lcast;
my \$node = Net::Lcast->new;
my \$app = Net::Lcast->new(credential => '$credential');
my \$setting = \$app->expose_setting('app.size', 'int', 1);
my \$watch = \$node->watch('system.*', every => 0.01);
my \$waiting = \$node->get('host.name', expect => 'nobody', timeout => 600);
\$watch->next for 1 .. 3;
$ends{$how}
PROGRAM
    is $status, 0, "it ends $how" or diag $said;
    is $said, '', "and says nothing, $how";
}

# An application says goodbye when its program ends.
my $changes = $node->presence;
my $path = $lab->folder . '/goodbye.pl';
LcastLab::write_file($path, <<'PROGRAM' =~ s/FILE/$lab->credential('app4')/er);
use Net::Lcast;
our $app = Net::Lcast->new(credential => 'FILE');
$| = 1;
print "ready\n";
local $SIG{TERM} = sub { exit 0 };
sleep 600;
PROGRAM
my $pid = $lab->spawn_perl($path, "$path.out");
my $of_app = sub {
    while (my $event = $changes->next(timeout => 60)) {
        return $event->reason if $event->node eq 'app4';
    }
};
is $of_app->(), 'alive', 'an application is there';
kill 'TERM', $pid;
waitpid $pid, 0;
is $?, 0, 'it ends';
is $of_app->(), 'left', 'with a goodbye';

done_testing;

# What a program may give, and dies when it is looked at.
package DyingTime {
    sub new   { bless {}, shift }
    sub epoch { die DyingTime->new }
}

package KillingTime {
    sub new   { bless {}, shift }
    sub epoch { kill 'USR1', $$; return 1 }
}

package Dying {
    use overload '""' => sub { die DyingTime->new };
    sub new   { bless {}, shift }
    sub epoch { die DyingTime->new }
}

package DyingMap {
    sub TIEHASH  { bless {}, shift }
    sub FIRSTKEY { 'a' }
    sub NEXTKEY  { undef }
    sub FETCH    { die DyingTime->new }
}
