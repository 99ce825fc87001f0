use 5.020;
use strict;
use warnings;

use FindBin ();
use lib "$FindBin::Bin/lib";
use LcastLab;
use Net::Lcast;
use Test::More;

# A signal comes before or behind any call of the library, and its handler dies: nothing may be left
# over, wherever that is.

my $lab      = LcastLab->new('web1');
my $node     = $lab->asker;
my $app      = $lab->application('app1');
my $map      = $app->expose('app.map', 'map');
my $setting  = $app->expose_setting('app.size', 'int', 1);
my $again    = $lab->credential('app2');
my @web1     = (only => 'web1', timeout => 20);
my $exposed  = 0;

my %uses = (
    new     => sub { Net::Lcast->new(credential => $again)->close },
    members => sub { $node->members },
    get     => sub { $node->get('app.owner', @web1)->report },
    set     => sub { $node->set('app.level', Net::Lcast::Value::TRUE(), @web1) },
    set_all => sub { $node->set_all({ 'app.level' => 1, 'app.greeting' => [1, [2]] }, @web1) },
    watch   => sub { $node->watch('app.owner', only => 'nobody')->take },
    presence => sub { $node->presence->take },
    publish => sub { $map->publish({ list => [1, { text => 'x' }], map => {} }) },
    value   => sub { $setting->value },
    expose  => sub { $app->expose('app.exposed.x' . ++$exposed, 'int') },
    expose_setting => sub { $app->expose_setting('app.exposed.x' . ++$exposed, 'int', 1) },
);

# The call of the library, counted down, at which the signal comes, and on which side of it.
my ($left, $side) = (-1, '');
$SIG{USR1} = sub { die "amid a call\n" };
for my $name (grep { /\Alcast_/ } keys %Net::Lcast::Library::) {
    no strict 'refs';
    no warnings 'redefine';
    my $real = \&{"Net::Lcast::Library::$name"};
    *{"Net::Lcast::Library::$name"} = sub {
        my $here = $left >= 0 && $left-- == 0 ? $side : '';
        raised() if $here eq 'before';
        my $given = $real->(@_);
        raised() if $here eq 'behind';
        return $given;
    };
}

# A handler runs where the next function begins.
sub raised { kill 'USR1', $$; return pass_by() }
sub pass_by { 1 }

# What dies while an object is dropped is told as a warning.
local $SIG{__WARN__} = sub { $_[0] =~ /amid a call/ or diag $_[0] };
for my $use (sort keys %uses) {
    my $handles = Net::Lcast::Library::lcast_handle_count();
    my $died = 0;
    for my $where (qw(before behind)) {
        for (my $call = 0; $call < 200; $call++) {
            ($left, $side) = ($call, $where);
            my $done = eval { $uses{$use}->(); 1 };
            my $reached = $left < 0;
            $left = -1;
            last unless $reached;
            $died++ unless $done;
            my $error = $@;
            like $error, qr/\Aamid a call/, "$use dies of it" if !$done && $error !~ /\Aamid a/;
        }
    }
    cmp_ok $died, '>=', 2, "$use dies $died times";
    is Net::Lcast::Library::lcast_handle_count(), $handles, 'and leaves nothing behind';
}

is $node->get('host.name', @web1)->report->answered, 1, 'the node goes on';

done_testing;
