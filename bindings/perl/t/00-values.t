use 5.020;
use strict;
use warnings;
use utf8;

use JSON::PP ();
use Math::BigInt ();
use Net::Lcast;
use Net::Lcast::Library qw(check);
use Net::Lcast::Value qw(held unpacked with_value);
use Test::More;

# What comes back of a value that goes through the library.
sub back {
    my ($given, $type) = @_;
    my $back;
    with_value($given, $type, sub {
        my $packed = held();
        check(Net::Lcast::Library::lcast_value_pack($_[0], \$packed->{handle}));
        $back = unpacked($packed->bytes);
    });
    return $back;
}

sub failed {
    my ($run, $pattern, $name) = @_;
    my $done  = eval { $run->(); 1 };
    my $error = $@;
    return fail "$name: no error" if $done || !eval { $error->isa('Net::Lcast::Error') };
    is $error->kind, 'invalid', "$name: of its kind";
    like "$error", $pattern, "$name: that says why";
    like "$error", qr/ at \Q$0\E line/, "$name: and where";
}

subtest 'values come back as they were' => sub {
    is back(undef), undef, 'null';
    for my $bool (JSON::PP::true(), JSON::PP::false()) {
        my $back = back($bool);
        isa_ok $back, 'JSON::PP::Boolean';
        is !!$back, !!$bool, 'a bool';
    }
    for my $int (0, -1, 9_223_372_036_854_775_807, -9_223_372_036_854_775_807 - 1) {
        is back($int), $int, "the int $int";
    }
    for my $float (0.1, -1e308, 5e-324) { cmp_ok back($float), '==', $float, "the float $float" }
    is back(9**9**9, 'float'), 9**9**9, 'infinity';
    for my $zero (unpack('d>', "\x80" . "\0" x 7), '-0.0') {
        is unpack('H*', pack 'd>', back($zero, 'float')), '8000000000000000', 'minus zero';
    }
    cmp_ok back(-sin 9**9**9, 'float'), '!=', back(-sin 9**9**9, 'float'), 'not a number';
    for my $text ('', 'plain', "gr\x{fc}\x{df}", "\x{1F600}", "a\0b", '42') {
        is back($text), $text, 'a text';
    }
    my $bytes = back(Net::Lcast::Bytes->new("\0\xff\x80"));
    isa_ok $bytes, 'Net::Lcast::Bytes';
    is $bytes->bytes, "\0\xff\x80", 'bytes';
    is $bytes->length, 3, 'their length';
    my $time = Net::Lcast::Timestamp->new(epoch => -1, nanosecond => 250_999_999);
    is back($time)->millis, -750, 'a timestamp';
    my $nested = { list => [1, 'two', undef, [3.5]], "\x{fc}\0" => { } };
    is_deeply back($nested), $nested, 'lists and maps';
};

subtest 'a type reads what is given' => sub {
    is back('17', 'int'), 17, 'a text of digits is an int';
    is back(4.0, 'int'), 4, 'a whole number is an int';
    is back('1e3', 'float'), 1000, 'a text is a float';
    is back(42, 'text'), '42', 'a number is a text';
    is !!back(1, 'bool'), !!1, '1 is true';
    is !!back('', 'bool'), !!0, 'the empty string is false';
    is back("\xff", 'bytes')->bytes, "\xff", 'a string is bytes';
    is back(undef, 'int'), undef, 'everything may be null';
    my $utc = bless { }, 'TestDateTime';
    is back($utc, 'timestamp')->millis, 1_500, 'what has an epoch is a timestamp';
};

subtest 'what does not fit is an error' => sub {
    failed sub { back(18_446_744_073_709_551_615) }, qr/18446744073709551615 does not fit/, 'a UV';
    failed sub { back('9223372036854775808', 'int') }, qr/does not fit/, 'one too many';
    failed sub { back('-9223372036854775809', 'int') }, qr/does not fit/, 'one too few';
    failed sub { back(1e30, 'int') }, qr/no whole number/, 'a large float';
    failed sub { back(0.5, 'int') }, qr/'0\.5' is no whole number/, 'half';
    failed sub { back('x', 'float') }, qr/'x' is no number/, 'a letter';
    failed sub { back('x', 'bool') }, qr/'x' is no bool/, 'a letter as a bool';
    failed sub { back([], 'text') }, qr/a reference to ARRAY is no text/, 'a list as a text';
    failed sub { back({}, 'list') }, qr/no reference to an array/, 'a map as a list';
    failed sub { back("\x{100}", 'bytes') }, qr/wide character/, 'wide characters';
    failed sub { Net::Lcast::Bytes->new("\x{100}") }, qr/wide character/, 'wide bytes';
    failed sub { back("\x{D800}") }, qr/UTF-8/, 'half of a surrogate pair';
    failed sub { back(17, 'timestamp') }, qr/'17' is no time/, 'a number as a timestamp';
    failed sub { back(sub { }) }, qr/a reference to CODE is no value/, 'a function';
    failed sub { back(Math::BigInt->new(1)) }, qr/class Math::BigInt is no value/, 'an object';
    my $deep = 1;
    $deep = [$deep] for 1 .. 8;
    is_deeply back($deep), $deep, 'eight deep';
    failed sub { back([$deep]) }, qr/at most 8 deep/, 'nine deep';
    my $cycle = [];
    push @{$cycle}, $cycle;
    failed sub { back($cycle) }, qr/at most 8 deep/, 'a cycle';
    pop @{$cycle};
    failed sub { back([1, { a => sub { } }]) }, qr/CODE is no value/, 'one within';
    is Net::Lcast::Library::lcast_handle_count(), 0, 'and nothing is left over';
};

subtest 'timestamps' => sub {
    my $class = 'Net::Lcast::Timestamp';
    my %wanted = (
        0                    => '1970-01-01T00:00:00Z',
        951_782_400_000      => '2000-02-29T00:00:00Z',
        1_700_000_000_250    => '2023-11-14T22:13:20.250Z',
        -1                   => '1969-12-31T23:59:59.999Z',
        253_402_300_799_999  => '9999-12-31T23:59:59.999Z',
        -62_135_596_800_000  => '0001-01-01T00:00:00Z',
    );
    is $class->from_millis($_)->rfc3339, $wanted{$_}, $wanted{$_} for sort keys %wanted;
    for my $extreme (9_223_372_036_854_775_807, -9_223_372_036_854_775_807 - 1) {
        is back($class->from_millis($extreme))->millis, $extreme, "$extreme, as far as it goes";
        like $class->from_millis($extreme), qr/\A-?29227[0-9]{4}-/, 'in words';
    }
    for my $beyond ('9223372036854775808', '-9223372036854775809') {
        failed sub { $class->from_millis($beyond) }, qr/no milliseconds of 64 bits/, $beyond;
    }
    my $time = $class->new(epoch => 5, nanosecond => 7_000_000);
    is_deeply [$time->epoch, $time->nanosecond, $time->millis], [5, 7_000_000, 5007], 'its parts';
    ok $time > $class->new(epoch => 5) && $time == $class->from_millis(5007), 'they compare';
    cmp_ok abs($class->now->hires_epoch - time), '<', 5, 'now';
    failed sub { $class->new(epoch => 'x') }, qr/'x' is no whole seconds/, 'no number';
    failed sub { $class->new(second => 1) }, qr/no 'second'/, 'an unknown part';
};

done_testing;

package TestDateTime;

sub epoch      { 1 }
sub nanosecond { 500_000_000 }
