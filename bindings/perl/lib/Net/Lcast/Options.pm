package Net::Lcast::Options;

# The structs of options and the lists of the library, as strings. Not for programs.
#
# What they point to must live as long as they are used: each function gives a reference to the
# string, in an object that holds the rest as well.

use 5.020;
use strict;
use warnings;

use Net::Lcast::Error;
use Net::Lcast::Library qw(invalid octets pairs);
use Net::Lcast::Value ();
use Scalar::Util qw(looks_like_number);

our $VERSION = '0.1.0';

my %KIND = (gauge => 0, info => 1, counter => 2);

# Takes a struct apart into what pack wants; the size stands first.
sub _struct {
    my ($template, @members) = @_;
    # Pointers are to the members of this very array, which is kept.
    my $struct = pack "J$template", 0, @members;
    substr $struct, 0, 8, pack 'J', length $struct;
    return { bytes => $struct, keep => \@members };
}

# One text or several, as a list of pointers.
sub texts {
    my ($given, $what) = @_;
    my @texts = map { octets($_, $what) } ref $given eq 'ARRAY' ? @{$given} : ($given);
    my $list = '';
    $list .= pack 'p', $_ for @texts;
    return { bytes => $list, count => scalar @texts, keep => \@texts };
}

sub patterns { return texts($_[0], 'patterns') }

# One text or several, with commas between; of an empty list, an empty text.
sub _joined {
    my ($given, $what) = @_;
    return undef unless defined $given;
    return octets($given, $what) if ref $given ne 'ARRAY';
    my @texts = map { octets($_, $what) } @{$given};
    invalid("there is an empty text in '$what'") if grep { !length } @texts;
    return join ',', @texts;
}

# The nodes to ask: a list of them that has none in it is never all of them.
sub _on {
    my $globs = _joined($_[0], 'on') // return undef;
    return $globs if length $globs;
    invalid("'on' is empty: leave it out, or give undef, for all nodes");
}

# The nodes to leave out, which may be none of them. An empty text is no glob.
sub _not {
    my ($given) = @_;
    return undef if ref $given eq 'ARRAY' && !@{$given};
    return _joined($given, 'not');
}

sub _text { defined $_[0] ? octets($_[0], $_[1]) : undef }

# A path as perl's own open takes it: octets, from the command line or readdir say, as they are, and
# characters as UTF-8. The library takes those that are UTF-8.
sub _path {
    my ($given, $what) = @_;
    return undef unless defined $given;
    my $octets = octets($given, $what);
    return utf8::is_utf8("$given") ? $octets : "$given";
}

# A text as it was given: what is none is told.
sub _as_is {
    my ($given, $what) = @_;
    octets($given, $what);
    return "$given";
}

sub _number {
    my ($given, $what) = @_;
    return looks_like_number($given) && !ref $given ? $given : invalid("'$what' is no number");
}

# A number of seconds, if one is given.
sub seconds {
    my ($given, $what) = @_;
    return undef unless defined $given;
    my $seconds = _number($given, $what);
    return $seconds if $seconds >= 0 && $seconds < 1e15;
    invalid("'$what' is $given: no time is");
}

# How far a number has to be from what was told last; 0 stands for the default in the library alone,
# which judges all others.
sub _distance {
    my $given = shift // return 0;
    return 0 + _number($given, 'delta') || invalid("'delta' is 0, and a distance is above 0");
}

# The longest text that a setting takes, likewise.
sub _length_max {
    my $given = shift // return 0;
    my $length = _number($given, 'length_max');
    return $length if $length >= 1 && $length <= 4_294_967_295 && $length == int $length;
    invalid("'length_max' is $given, and a length is a whole number, 1 to 4294967295");
}

# Milliseconds for the library, where 0 stands for the default.
sub millis {
    my $seconds = seconds(@_) // return 0;
    my $millis = int($seconds * 1000 + 0.5);
    return $millis > 0 ? $millis : invalid("'$_[1]' is $_[0]: the shortest time is 0.001");
}

sub _no_others {
    my ($given, $what) = @_;
    my ($other) = sort keys %{$given};
    invalid("there is no option '$other' of $what") if defined $other;
}

sub opening {
    my %given = pairs(@_);
    my $realm = _text(delete $given{realm}, 'realm');
    my $file = _path(delete $given{credential}, 'credential');
    my $content = delete $given{credential_data};
    my $agent = delete $given{agent};
    invalid('give one of realm, credential and credential_data: a credential names its realm')
        if 1 < grep { defined } $realm, $file, $content;
    invalid('a credential says itself whether it is an agent\'s: omit agent')
        if $agent && (defined $file || defined $content);
    $content = Net::Lcast::Bytes->new($content)->bytes if defined $content;
    # The library may take nothing for no credential, and open a node as somebody else.
    Net::Lcast::Error->throw('credential', "'credential_data' is empty, and no credential")
        if defined $content && $content eq '';
    my $state = _path(delete $given{state}, 'state');
    my $memory = _path(delete $given{memory}, 'memory');
    my $interfaces = texts(delete $given{interfaces} // [], 'interfaces');
    my $registry = _path(delete $given{registry}, 'registry');
    my $software = _text(delete $given{software}, 'software');
    _no_others(\%given, 'a node');
    my $list = $interfaces->{count} ? $interfaces->{bytes} : undef;
    my $options = _struct('pppJlx4pppJpp', $realm, $file, $content, defined $content ? length $content : 0,
        $agent ? 1 : 0, $state, $memory, $list, $interfaces->{count}, $registry, $software);
    return _keep($options, $interfaces);
}

# Settings and what to write, as a list of structs.
sub assignments {
    my (@pairs) = @_;
    my $list = '';
    my @kept;
    for my $pair (@pairs) {
        my ($name, $given) = @{$pair};
        my $text = Net::Lcast::Value::as_typed($given);
        my $value = defined $text ? undef : Net::Lcast::Value::made($given);
        push @kept, [octets($name, 'name'), _text($text, 'value'), $value];
        $list .= pack 'ppJ', @{ $kept[-1] }[0, 1], defined $value ? $value->{handle} : 0;
    }
    return { bytes => $list, count => scalar @pairs, keep => \@kept };
}

# The targets of a question, and what only a set or a watch has.
sub question {
    my ($what, @given) = @_;
    my %given = pairs(@given);
    my ($on, $not) = (_on(delete $given{on}), _not(delete $given{not}));
    my ($only, $expect) = map { _joined(delete $given{$_}, $_) } qw(only expect);
    my $matching = _text(delete $given{matching}, 'matching');
    my $label = delete $given{label} // {};
    invalid("'label' is no reference to a hash, like { role => 'web' }") if ref $label ne 'HASH';
    my $labels =
        texts([map { "$_=" . _as_is($label->{$_}, 'label') } sort keys %{$label}], 'label');
    my $timeout = millis(delete $given{timeout}, 'timeout');
    my ($version, $every, $delta, $dry_run) = (undef, 0, 0, 0);
    $version = _text(delete $given{if_version}, 'if_version') if $what eq 'a set';
    $dry_run = delete $given{dry_run} ? 1 : 0 if $what =~ /\Aa set/;
    if ($what eq 'a watch') {
        $every = millis(delete $given{every}, 'every');
        $delta = _distance(delete $given{delta});
    }
    _no_others(\%given, $what);
    my $list = $labels->{count} ? $labels->{bytes} : undef;
    my $options = _struct('pppJpppqpqdlx4', $on, $not, $list, $labels->{count}, $matching, $only,
        $expect, $timeout, $version, $every, $delta, $dry_run);
    return _keep($options, $labels);
}

sub definition {
    my ($what, $name, $type, @given) = @_;
    my %given = pairs(@given);
    my $number = Net::Lcast::Value::type_number($type);
    my $kind = $what eq 'a setting' ? 'gauge' : delete $given{kind} // 'gauge';
    defined $KIND{$kind} or invalid("'$kind' is no kind: it is one of gauge, info, counter");
    my $unit = _text(delete $given{unit}, 'unit');
    my $description = _text(delete $given{description}, 'description');
    my ($min, $max, $length, $choices) = (undef, undef, 0, []);
    if ($what eq 'a setting') {
        $min = delete $given{min};
        $max = delete $given{max};
        $length = _length_max(delete $given{length_max});
        $choices = delete $given{choices} // [];
    }
    _no_others(\%given, $what);
    my $texts = texts($choices, 'choices');
    my $list = $texts->{count} ? $texts->{bytes} : undef;
    my $options = _struct('pllppllddLx4pJ', octets($name, 'name'), $number, $KIND{$kind}, $unit,
        $description, defined $min ? 1 : 0, defined $max ? 1 : 0, _number($min // 0, 'min'),
        _number($max // 0, 'max'), $length, $list, $texts->{count});
    return _keep($options, $texts);
}

sub _keep {
    my ($options, @others) = @_;
    $options->{others} = \@others;
    return $options;
}

1;
