package Net::Lcast::Value;

# Values between Perl and the library. Not for programs.

use 5.020;
use strict;
use warnings;

use B ();
use Exporter qw(import);
use JSON::PP::Boolean ();
use Net::Lcast::Bytes;
use Net::Lcast::Handle;
use Net::Lcast::Library qw(check invalid);
use Net::Lcast::Timestamp;
use Scalar::Util qw(blessed looks_like_number reftype);

our $VERSION   = '0.1.0';
our @EXPORT_OK = qw(held unpacked text with_value type_number TRUE FALSE);

use constant {
    TRUE  => bless(\(my $true  = 1), 'JSON::PP::Boolean'),
    FALSE => bless(\(my $false = 0), 'JSON::PP::Boolean'),
};

# Deepest nesting of lists and maps.
use constant DEPTH_MAX => 8;

my @TYPES = qw(null bool int float text bytes timestamp list map);
my %NUMBER = map { $TYPES[$_] => $_ } 0 .. $#TYPES;

sub type_number {
    my ($type) = @_;
    invalid("'type' is undefined: it is one of " . join ', ', @TYPES) unless defined $type;
    return $NUMBER{$type} // invalid("'$type' is no type: it is one of " . join ', ', @TYPES);
}

# A text of the library.
sub text {
    my ($octets) = @_;
    utf8::decode($octets);
    return $octets;
}

# The value that packed bytes are; lcast_packed(3) has their layout.
my @UNPACK = (
    sub { undef },
    sub { ord(substr $_[0], 1, 1) ? TRUE : FALSE },
    sub { unpack 'xq<', $_[0] },
    sub { unpack 'xd<', $_[0] },
    sub { my $text = substr $_[0], 1; utf8::decode($text); $text },
    sub { Net::Lcast::Bytes->new(substr $_[0], 1) },
    sub { Net::Lcast::Timestamp->from_millis(unpack 'xq<', $_[0]) },
    sub { [map { unpacked($_) } unpack 'x(V/a)*', $_[0]] },
    sub {
        my @parts = unpack 'x(V/a)*', $_[0];
        my %map;
        while (my ($key, $value) = splice @parts, 0, 2) {
            $map{ text($key) } = unpacked($value);
        }
        return \%map;
    },
);

sub unpacked { $_[0] eq '' ? undef : $UNPACK[ord $_[0]]->($_[0]) }

# A place for a value of the library, which is freed with it, whatever dies meanwhile.
sub held { Net::Lcast::Value::Held->_held }

# Makes a value of the library, of a type or as it looks, for as long as a function runs.
sub with_value {
    my ($given, $type, $use) = @_;
    my $value = made($given, $type);
    $use->($value->{handle});
    return;
}

# The same for as long as the object is held.
sub made {
    my ($given, $type) = @_;
    return _make(_shaped($given, $type), 0);
}

# The text of what is written as text, to be read by a setting's type; undef of what has a type of
# its own.
sub as_typed {
    my ($given) = @_;
    return undef if !defined $given || ref $given || _is_boolean($given);
    my ($type) = _looks_like($given);
    return $type eq 'float' ? sprintf('%.17g', $given) : "$given";
}

# A pair of the type and what of Perl's it is made of.
sub _shaped {
    my ($given, $type) = @_;
    return [null => undef] unless defined $given;
    my $as = defined $type && __PACKAGE__->can("_as_$type");
    return $as ? [$type => $as->($given)] : [_looks_like($given)];
}

sub _looks_like {
    my ($given) = @_;
    if (defined(my $class = blessed $given)) {
        return (bool => _as_bool($given)) if _is_boolean($given);
        return (bytes => $given->bytes) if $given->isa('Net::Lcast::Bytes');
        return (timestamp => Net::Lcast::Timestamp::millis_of($given)) if $given->can('epoch');
        invalid("an object of the class $class is no value");
    }
    if (my $type = ref $given) {
        return (list => $given) if $type eq 'ARRAY';
        return (map => $given) if $type eq 'HASH';
        invalid("a reference to $type is no value");
    }
    return (bool => _as_bool($given)) if _is_boolean($given);
    my $flags = B::svref_2object(\$given)->FLAGS;
    return (text => $given) if $flags & B::SVf_POK();
    return (int => _as_int($given)) if $flags & B::SVf_IOK();
    return (float => $given) if $flags & B::SVf_NOK();
    return (text => "$given");
}

my $is_bool = defined &builtin::is_bool ? \&builtin::is_bool : sub { 0 };

sub _is_boolean {
    my ($given) = @_;
    no warnings;    # Until 5.40 it is an experiment.
    return $is_bool->($given) unless defined blessed $given;
    return grep { $given->isa($_) } qw(JSON::PP::Boolean Types::Serialiser::Boolean boolean);
}

sub _as_bool {
    my ($given) = @_;
    return $given ? 1 : 0 if _is_boolean($given) || (!ref $given && $given =~ /\A[01]?\z/);
    invalid(_shown($given) . ' is no bool: use JSON::PP::true, JSON::PP::false, 1 or 0');
}

sub _as_int {
    my ($given) = @_;
    my $plain = ref $given || _is_boolean($given) ? '' : $given;
    $plain = sprintf '%.0f', $plain if $plain =~ /[eE.]/ && looks_like_number($plain)
        && abs $plain < 1e19 && $plain == int $plain;
    my ($sign, $digits) = $plain =~ /\A(-?)0*([0-9]+)\z/
        or invalid(_shown($given) . ' is no whole number');
    my $largest = $sign ? '9223372036854775808' : '9223372036854775807';
    if (length $digits > 19 || (length $digits == 19 && $digits gt $largest)) {
        invalid("$plain does not fit into a signed integer of 64 bits");
    }
    return 0 + "$sign$digits";
}

sub _as_float {
    my ($given) = @_;
    # Not by adding 0, which makes a zero of minus zero.
    return unpack 'd', pack 'd', $given
        if !ref $given && !_is_boolean($given) && looks_like_number($given);
    invalid(_shown($given) . ' is no number');
}

sub _as_text {
    my ($given) = @_;
    return "$given" unless ref $given;
    invalid(_shown($given) . ' is no text');
}

sub _as_bytes {
    my ($given) = @_;
    return $given->bytes if blessed $given && $given->isa('Net::Lcast::Bytes');
    return Net::Lcast::Bytes->new($given)->bytes unless ref $given;
    invalid(_shown($given) . ' is no string of bytes');
}

sub _as_timestamp { Net::Lcast::Timestamp::millis_of($_[0]) }

sub _as_list {
    my ($given) = @_;
    return $given if (reftype($given) // '') eq 'ARRAY';
    invalid(_shown($given) . ' is no reference to an array');
}

sub _as_map {
    my ($given) = @_;
    return $given if (reftype($given) // '') eq 'HASH' && !_is_boolean($given);
    invalid(_shown($given) . ' is no reference to a hash');
}

# What was given, short enough for a message.
sub _shown {
    my ($given) = @_;
    return blessed($given) ? 'an object of ' . blessed($given) : 'a reference to ' . ref $given
        if ref $given;
    return length $given > 60 ? "'" . substr($given, 0, 60) . "...'" : "'$given'";
}

my %MAKE = (
    null      => sub { Net::Lcast::Library::lcast_value_new_null($_[1]) },
    bool      => sub { Net::Lcast::Library::lcast_value_new_bool($_[0], $_[1]) },
    int       => sub { Net::Lcast::Library::lcast_value_new_int($_[0], $_[1]) },
    float     => sub { Net::Lcast::Library::lcast_value_new_float($_[0], $_[1]) },
    timestamp => sub { Net::Lcast::Library::lcast_value_new_timestamp($_[0], $_[1]) },
    text      => sub {
        utf8::encode(my $octets = $_[0]);
        Net::Lcast::Library::lcast_value_new_text($octets, length $octets, $_[1]);
    },
    bytes => sub { Net::Lcast::Library::lcast_value_new_bytes($_[0], length $_[0], $_[1]) },
    list  => sub { Net::Lcast::Library::lcast_value_new_list($_[1]) },
    map   => sub { Net::Lcast::Library::lcast_value_new_map($_[1]) },
);

my %FILL = (
    list => sub {
        my ($list, $entries, $depth) = @_;
        for my $entry (@{$entries}) {
            _with($entry, $depth, sub { Net::Lcast::Library::lcast_value_push($list, $_[0]) });
        }
    },
    map => sub {
        my ($map, $entries, $depth) = @_;
        for my $key (sort keys %{$entries}) {
            utf8::encode(my $octets = $key);
            _with($entries->{$key}, $depth, sub {
                Net::Lcast::Library::lcast_value_put($map, $octets, length $octets, $_[0]);
            });
        }
    },
);

sub _with {
    my ($entry, $depth, $add) = @_;
    my $value = _make(_shaped($entry), $depth);
    check($add->($value->{handle}));
}

sub _make {
    my ($shaped, $depth) = @_;
    my ($type, $content) = @{$shaped};
    my $value = held();
    check($MAKE{$type}->($content, \$value->{handle}));
    if (my $fill = $FILL{$type}) {
        $depth < DEPTH_MAX or invalid('lists and maps are nested at most ' . DEPTH_MAX . ' deep');
        $fill->($value->{handle}, $content, $depth + 1);
    }
    return $value;
}

package Net::Lcast::Value::Held;

our @ISA = ('Net::Lcast::Handle');

# What a value of bytes holds.
sub bytes {
    my ($self) = @_;
    return '' unless defined $self->{handle};
    my $address = Net::Lcast::Library::lcast_value_bytes($self->{handle}, \my $length);
    return $length ? FFI::Platypus::Buffer::buffer_to_scalar($address, $length) : '';
}

sub _free { Net::Lcast::Library::lcast_value_free($_[1]) }

1;
