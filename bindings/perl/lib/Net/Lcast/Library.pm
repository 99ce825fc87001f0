package Net::Lcast::Library;

# The functions of the C library, and what its statuses mean. Not for programs.

use 5.020;
use strict;
use warnings;

use Config ();
use Exporter qw(import);
use FFI::CheckLib ();
use FFI::Platypus 1.00;
use FFI::Platypus::Buffer ();
use Net::Lcast::Error;
use overload ();

our $VERSION   = '0.1.0';
our @EXPORT_OK = qw(check failure invalid octets pairs OK AT_END TIMEOUT);

use constant { OK => 0, AT_END => 1, TIMEOUT => 2 };

die "Net::Lcast needs a perl with integers of 64 bits\n" if $Config::Config{ivsize} < 8;

# Where the library is: said by LCAST_LIBRARY, known to the linker, or known to pkg-config.
sub find {
    if (defined(my $path = $ENV{LCAST_LIBRARY})) {
        return $path if -f $path;
        die "LCAST_LIBRARY is '$path', and there is no such file\n";
    }
    local ($?, $!);
    my @paths = ([]);
    push @paths, [$1] if (`pkg-config --variable=libdir lcast 2>/dev/null` // '') =~ /\A(\S.*)\n/;
    for my $path (reverse @paths) {
        my ($found) = FFI::CheckLib::find_lib(lib => 'lcast', libpath => $path);
        return $found if defined $found;
    }
    die "there is no liblcast: install it, or name its folder in PKG_CONFIG_PATH or "
        . "LD_LIBRARY_PATH, or its file in LCAST_LIBRARY\n";
}

my ($STATUS, $TEXT, $HANDLE, $OUT) = qw(sint32 string opaque opaque*);

# Options and lists of texts are strings packed by us; all that is needed of them is where they are.
my %FUNCTIONS = (
    lcast_version     => [[], $TEXT],
    lcast_last_error  => [[], $TEXT],
    lcast_last_status => [[], $STATUS],
    lcast_status_name => [['sint32'], $TEXT],
    lcast_handle_count => [[], 'size_t'],

    lcast_open       => [[$TEXT, $OUT], $STATUS],
    lcast_close      => [[$HANDLE], $STATUS],
    lcast_node_name  => [[$HANDLE], $TEXT],
    lcast_node_realm => [[$HANDLE], $TEXT],
    lcast_ping       => [[$HANDLE, $TEXT, 'sint64', 'sint64*'], $STATUS],

    lcast_get       => [[$HANDLE, $TEXT, 'size_t', $TEXT, $OUT], $STATUS],
    lcast_watch     => [[$HANDLE, $TEXT, 'size_t', $TEXT, $OUT], $STATUS],
    lcast_set_all   => [[$HANDLE, $TEXT, 'size_t', $TEXT, $OUT], $STATUS],
    lcast_variables => [[$HANDLE, $TEXT, $OUT], $STATUS],
    lcast_presence  => [[$HANDLE, $OUT], $STATUS],

    lcast_next_packed   => [[$HANDLE, 'sint64', 'size_t', $OUT], $STATUS],
    lcast_stream_fd     => [[$HANDLE], 'int'],
    lcast_stream_cancel => [[$HANDLE], $STATUS],
    lcast_stream_free   => [[$HANDLE], $STATUS],

    lcast_value_pack          => [[$HANDLE, $OUT], $STATUS],
    lcast_value_bytes         => [[$HANDLE, 'size_t*'], $HANDLE],
    lcast_value_new_null      => [[$OUT], $STATUS],
    lcast_value_new_bool      => [['int', $OUT], $STATUS],
    lcast_value_new_int       => [['sint64', $OUT], $STATUS],
    lcast_value_new_float     => [['double', $OUT], $STATUS],
    lcast_value_new_text      => [[$TEXT, 'size_t', $OUT], $STATUS],
    lcast_value_new_bytes     => [[$TEXT, 'size_t', $OUT], $STATUS],
    lcast_value_new_timestamp => [['sint64', $OUT], $STATUS],
    lcast_value_new_list      => [[$OUT], $STATUS],
    lcast_value_new_map       => [[$OUT], $STATUS],
    lcast_value_push          => [[$HANDLE, $HANDLE], $STATUS],
    lcast_value_put           => [[$HANDLE, $TEXT, 'size_t', $HANDLE], $STATUS],
    lcast_value_free          => [[$HANDLE], $STATUS],

    lcast_expose          => [[$HANDLE, $TEXT, $OUT], $STATUS],
    lcast_publish         => [[$HANDLE, $HANDLE], $STATUS],
    lcast_publish_key     => [[$HANDLE, $TEXT, 'size_t', $HANDLE], $STATUS],
    lcast_withdraw        => [[$HANDLE], $STATUS],
    lcast_variable_free   => [[$HANDLE], $STATUS],
    lcast_expose_setting  => [[$HANDLE, $TEXT, $HANDLE, $OUT], $STATUS],
    lcast_setting_value   => [[$HANDLE, $OUT], $STATUS],
    lcast_setting_changes => [[$HANDLE, $OUT], $STATUS],
    lcast_setting_free    => [[$HANDLE], $STATUS],

    lcast_members_of            => [[$HANDLE, $OUT], $STATUS],
    lcast_members_count         => [[$HANDLE], 'size_t'],
    lcast_members_name          => [[$HANDLE, 'size_t'], $TEXT],
    lcast_members_kind          => [[$HANDLE, 'size_t'], $TEXT],
    lcast_members_state         => [[$HANDLE, 'size_t'], $TEXT],
    lcast_members_via           => [[$HANDLE, 'size_t'], $TEXT],
    lcast_members_software      => [[$HANDLE, 'size_t'], $TEXT],
    lcast_members_last_heard_ms => [[$HANDLE, 'size_t'], 'sint64'],
    lcast_members_is_duplicate  => [[$HANDLE, 'size_t'], 'sint32'],
    lcast_members_label_count   => [[$HANDLE, 'size_t'], 'size_t'],
    lcast_members_label_key     => [[$HANDLE, 'size_t', 'size_t'], $TEXT],
    lcast_members_label_value   => [[$HANDLE, 'size_t', 'size_t'], $TEXT],
    lcast_members_role_count    => [[$HANDLE, 'size_t'], 'size_t'],
    lcast_members_role          => [[$HANDLE, 'size_t', 'size_t'], $TEXT],
    lcast_members_free          => [[$HANDLE], $STATUS],
);

our $PATH = find();
{
    my $ffi = FFI::Platypus->new(api => 1, lib => $PATH);
    for my $name (sort keys %FUNCTIONS) {
        eval { $ffi->attach($name, @{ $FUNCTIONS{$name} }); 1 }
            or die "$PATH is no library for Net::Lcast $VERSION: it has no $name\n";
    }
}

# Dies unless a status is that of success.
sub check {
    my ($status) = @_;
    Net::Lcast::Error->throw(failure($status)) if $status != OK;
}

# The kind and the words of what has just gone wrong.
sub failure {
    my ($status) = @_;
    my $message = lcast_last_error();
    utf8::decode($message);
    return (lcast_status_name($status), $message);
}

sub invalid { Net::Lcast::Error->throw('invalid', $_[0]) }

# Options: each has a name and a value.
sub pairs {
    invalid('options are names and values, and the last of these has no value') if @_ % 2;
    return @_;
}

# A text as the library takes it: UTF-8 without a zero byte, which would end it.
sub octets {
    my ($text, $what) = @_;
    invalid("'$what' is undefined") unless defined $text;
    invalid("'$what' is a reference, and no text") if ref $text && !overload::Method($text, '""');
    my $octets = "$text";
    invalid("'$what' has a zero character in it") if index($octets, "\0") >= 0;
    utf8::encode($octets);
    return $octets;
}

1;
