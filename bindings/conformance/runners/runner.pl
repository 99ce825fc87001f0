#!/usr/bin/perl
# The runner of the conformance scenario on the Perl distribution Net::Lcast.
#
#     runner.pl answer CREDENTIAL STATE SCENARIO
#     runner.pl ask CREDENTIAL SCENARIO
#     runner.pl time CREDENTIAL
#
# What the lines mean is told in the README of the folder above.

use strict;
use warnings;

use B ();
use JSON::PP ();
use Net::Lcast;
use Scalar::Util qw(blessed);
use Time::HiRes ();

$| = 1;

# -- the form of lines and values

# A text of characters, with each byte as \xNN that is no printable ASCII, or a quote or backslash.
sub escape {
    my ($text) = @_;
    utf8::encode($text);
    $text =~ s/([^\x20-\x7e]|["\\])/sprintf '\\x%02x', ord $1/ge;
    return $text;
}

sub unescape {
    my ($text) = @_;
    $text =~ s/\\x(..)/chr hex $1/ge;
    utf8::decode($text);
    return $text;
}

# The words KEY=TEXT behind a step or a setting, as pairs; a value has escapes of its own.
sub words {
    my @pairs = map { [split /=/, $_, 2] } @_;
    $_->[0] eq 'value' or $_->[1] = unescape($_->[1]) for @pairs;
    return \@pairs;
}

sub all { my ($words, $key) = @_; return map { $_->[1] } grep { $_->[0] eq $key } @{$words} }
sub one { my ($first) = all(@_); return $first }

sub parse {
    my ($text) = @_;
    my $value = take(\$text);
    die "'$text' follows a value\n" if $text ne '';
    return $value;
}

sub take {
    my ($rest) = @_;
    return unescape($1) if ${$rest} =~ s/\A"([^"]*)"//;
    if (${$rest} =~ s/\A\[//) {
        my @items;
        until (${$rest} =~ s/\A\]//) {
            ${$rest} =~ s/\A,//;
            push @items, take($rest);
        }
        return \@items;
    }
    if (${$rest} =~ s/\A\{//) {
        my %items;
        until (${$rest} =~ s/\A\}//) {
            ${$rest} =~ s/\A,//;
            my $key = take($rest);
            ${$rest} =~ s/\A://;
            $items{$key} = take($rest);
        }
        return \%items;
    }
    ${$rest} =~ s/\A([^],}]+)// or die "'${$rest}' is no value\n";
    return scalar_of($1);
}

sub scalar_of {
    my ($word) = @_;
    return undef if $word eq 'null';
    return $word eq 'true' ? JSON::PP::true : JSON::PP::false if $word =~ /\A(?:true|false)\z/;
    my ($letter, $digits) = $word =~ /\A(.)(.*)\z/;
    return 0 + $digits if $letter eq 'i';
    return Net::Lcast::Timestamp->from_millis(0 + $digits) if $letter eq 't';
    return Net::Lcast::Bytes->new(pack 'H*', $digits) if $letter eq 'b';
    return 'inf' - 'inf' if $digits eq 'nan';
    return unpack 'd>', pack 'H*', $digits;
}

sub show {
    my ($value) = @_;
    return 'null' unless defined $value;
    if (blessed $value) {
        return 't' . $value->millis if $value->isa('Net::Lcast::Timestamp');
        return 'b' . unpack 'H*', $value->bytes if $value->isa('Net::Lcast::Bytes');
        return $value ? 'true' : 'false';
    }
    return '[' . join(',', map { show($_) } @{$value}) . ']' if ref $value eq 'ARRAY';
    if (ref $value eq 'HASH') {
        my %shown = map { my $key = $_; utf8::encode($key); ($key => $_) } keys %{$value};
        my @pairs = map { show($shown{$_}) . ':' . show($value->{ $shown{$_} }) } sort keys %shown;
        return '{' . join(',', @pairs) . '}';
    }
    my $flags = B::svref_2object(\$value)->FLAGS;
    return '"' . escape($value) . '"' if $flags & B::SVf_POK;
    return "i$value" if $flags & B::SVf_IOK;
    return $value == $value ? 'f' . unpack 'H*', pack 'd>', $value : 'fnan';
}

sub lines {
    my ($path) = @_;
    open my $file, '<', $path or die "$path: $!\n";
    return map { chomp; [split /\t/, $_, -1] } <$file>;
}

# -- the answerer

sub answer {
    my ($credential, $state, $scenario) = @_;
    my $node = Net::Lcast->new(credential => $credential, state => $state);
    my ($variable, @kept);
    for (lines($scenario)) {
        my ($word, @fields) = @{$_};
        if ($word eq 'variable') {
            my ($name, $type, $unit, $description, $value) = @fields;
            $variable = $node->expose($name, $type, unit => $unit, description => $description);
            $variable->publish(parse($value)) if $value ne '';
        } elsif ($word eq 'key') {
            $variable->publish_key(parse($fields[0]), parse($fields[1]));
        } elsif ($word eq 'setting') {
            push @kept, expose_setting($node, @fields);
        }
    }
    print "ready\n";
    1 while <STDIN>;
    $node->close;
}

sub expose_setting {
    my ($node, $name, $type, $unit, $description, $default, @limits) = @_;
    my $words = words(@limits);
    my %given = (unit => $unit, description => $description);
    for my $key (qw(min max)) {
        my $limit = one($words, $key);
        $given{$key} = $limit if defined $limit;
    }
    my $length = one($words, 'length');
    $given{length_max} = $length if defined $length;
    my @choices = all($words, 'choice');
    $given{choices} = \@choices if @choices;
    return $node->expose_setting($name, $type, parse($default), %given);
}

# -- the asker

my ($node, $step, $watch, $account, %versions);

sub say_line { print join("\t", $step, @_), "\n" }

# Who is asked.
sub target {
    my ($words) = @_;
    my %target;
    for my $key (qw(on not only expect)) {
        my @found = all($words, $key);
        $target{$key} = \@found if @found;
    }
    my $timeout = one($words, 'timeout');
    $target{timeout} = $timeout / 1000 if defined $timeout;
    my %label = map { split /=/, $_, 2 } all($words, 'label');
    $target{label} = \%label if %label;
    $target{matching} = one($words, 'where') if defined one($words, 'where');
    return %target;
}

# How many milliseconds a question may take beyond its timeout on a machine with other work.
use constant SLACK => 500;

sub dry { defined one($_[0], 'dry_run') ? (dry_run => 1) : () }

sub say_items {
    my ($word, $event) = @_;
    for my $it ($event->items) {
        $versions{ $it->name } = $it->version if $it->version ne '';
        my @about = ($event->node, escape($it->name));
        if ($it->result ne '') {
            say_line('set', @about, $it->result, escape($it->message));
        } else {
            say_line($word, @about, show($it->value), escape($it->unit));
        }
    }
}

sub say_account {
    my ($report, $words) = @_;
    say_line('empty', $_->{node}, $_->{reason}) for $report->empty;
    say_line('error', $_->{node}, $_->{reason}, escape($_->{message})) for $report->error;
    say_line('refused', $_->{node}, $_->{reason}, escape($_->{message})) for $report->refused;
    say_line('late', $_->{node}) for $report->late;
    say_line('missing', $_->{node}) for $report->missing;
    my @counts = map { "$_=" . scalar(() = $report->$_) } qw(empty error refused late missing);
    say_line('report',
        join ' ', 'expected=' . $report->expected, 'answered=' . $report->answered, @counts);
    my $timeout = $words && one($words, 'timeout') // return;
    say_line('in_time', 1000 * $report->elapsed <= $timeout + SLACK ? 'yes' : 'no');
}

sub say_replies {
    my ($words, $replies) = @_;
    my $report = $replies->report;
    while (my $reply = $replies->next) { say_items('value', $reply) }
    say_account($report, $words);
}

my %PLAY = (
    get => sub {
        my ($words) = @_;
        say_replies($words, $node->get([all($words, 'pattern')], target($words)));
    },
    set => sub {
        my ($words) = @_;
        my ($name, $value) = (one($words, 'name'), one($words, 'text'));
        $value //= parse(one($words, 'value'));
        my %version;
        if (defined(my $version = one($words, 'if_version'))) {
            $version{if_version} = $version eq 'held' ? $versions{$name} : $version;
        }
        say_replies($words, $node->set_each($name, $value, target($words), dry($words), %version));
    },
    set_all => sub {
        my ($words) = @_;
        my @texts = all($words, 'text');
        my %both = map { $_ => shift @texts } all($words, 'name');
        say_replies($words, $node->set_all_each(\%both, target($words), dry($words)));
    },
    watch => sub {
        my ($words) = @_;
        my %given = target($words);
        my ($every, $delta) = (one($words, 'every'), one($words, 'delta'));
        $given{every} = $every / 1000 if defined $every;
        $given{delta} = $delta if defined $delta;
        $watch = $node->watch([all($words, 'pattern')], %given);
        my @replies;
        while (($account = $watch->next)->kind ne 'report') { push @replies, $account }
        say_items('value', $_) for @replies;
    },
    next => sub {
        my $event = $watch->next;
        if ($event->kind eq 'left') {
            say_line('left', $event->node, $event->reason);
        } else {
            say_items($event->kind, $event);
            say_line('removed', $event->node, escape($_)) for $event->removed;
        }
    },
    unwatch => sub {
        undef $watch;
        say_account($account);
    },
    nodes => sub {
        my ($words) = @_;
        for my $it (grep { $_->name eq one($words, 'name') } $node->members) {
            my $labels = $it->labels;
            my $shown = join ',', map { "$_=$labels->{$_}" } sort keys %{$labels};
            my $roles = join ',', $it->roles;
            say_line('node', $it->name, $it->kind, $it->state, escape($shown), escape($roles));
        }
    },
    variables => sub {
        my ($words) = @_;
        my $replies = $node->variables(target($words));
        my $report = $replies->report;
        while (my $reply = $replies->next) {
            for my $it (grep { 0 == index $_->name, one($words, 'prefix') } $reply->items) {
                my @about = (escape($it->name), show($it->value), escape($it->unit));
                say_line('variable', $reply->node, @about);
            }
        }
        say_account($report);
    },
    ping => sub {
        my ($words) = @_;
        my $trip = $node->ping(one($words, 'name'), timeout => one($words, 'timeout') / 1000);
        say_line(defined $trip ? 'pong' : 'silent', one($words, 'name'));
    },
    # Follows a node until it has been in each of the states, one after the other.
    presence => sub {
        my ($words) = @_;
        my $changes = $node->presence;
        for my $state (all($words, 'state')) {
            my ($wanted, $told) = (one($words, 'name') . " $state", '');
            until ($told eq $wanted) {
                my $event = $changes->next;
                $told = $event->node . ' ' . $event->reason;
            }
            say_line('presence', one($words, 'name'), $state);
        }
    },
);

sub ask {
    my ($credential, $scenario) = @_;
    for (lines($scenario)) {
        my ($word, $verb, @fields) = @{$_};
        next unless $word eq 'step';
        ($step, $verb, @fields) = ($verb, @fields);
        my $done = eval {
            if ($verb eq 'open') {
                $node = Net::Lcast->new(credential => $credential);
                say_line('open');
            } else {
                $PLAY{$verb}->(words(@fields));
            }
            1;
        };
        next if $done;
        my $error = $@;
        die $error unless blessed $error && $error->isa('Net::Lcast::Error');
        say_line('failed', $error->kind, escape($error->message));
        return unless $node;
    }
    $node->close;
}

# -- what the bench measures; the lines are told in src/bin/conformance-rust/timing.rs

my %MEASURE = (
    get => sub {
        my ($count, $pattern, $answers) = @_;
        my @times;
        for (1 .. $count) {
            my $begin = Time::HiRes::clock_gettime(Time::HiRes::CLOCK_MONOTONIC());
            my $replies = $node->get($pattern);
            1 while $replies->next;
            my $report = $replies->report;
            my $end = Time::HiRes::clock_gettime(Time::HiRes::CLOCK_MONOTONIC());
            push @times, int 1e6 * ($end - $begin);
            die "$report\n" if $report->answered != $answers;
        }
        print "@times\n";
    },
    watch => sub {
        my ($pattern, $answers) = @_;
        my $seen = $node->watch($pattern);
        1 while (my $event = $seen->next)->kind ne 'report';
        print "watching\n";
        my ($told, $skipped, $lost, $first, $last) = (0, 0, 0);
        while (1) {
            my $event = eval { $seen->next(timeout => $first ? 1 : 60) };
            last unless $event;
            $lost += $event->lost;
            next unless $event->kind eq 'changed';
            $last = Time::HiRes::time();
            $first //= $last;
            for my $it ($event->items) {
                $told++;
                $skipped += $it->skipped;
            }
        }
        printf "%d %d %d %d\n", $told, $skipped, $lost, 1e6 * ($last - $first);
    },
);

sub measure {
    my ($credential) = @_;
    $node = Net::Lcast->new(credential => $credential);
    print "ready\n";
    while (my $line = <STDIN>) {
        my ($verb, @fields) = split ' ', $line;
        $MEASURE{$verb}->(@fields);
    }
    $node->close;
}

my %ROLE = (answer => \&answer, ask => \&ask, time => \&measure);
my ($role, @arguments) = @ARGV;
my $run = $ROLE{ $role // '' } or die "runner.pl answer|ask|time CREDENTIAL ...\n";
$run->(@arguments);
