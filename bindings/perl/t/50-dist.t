use 5.020;
use strict;
use warnings;

use ExtUtils::Manifest ();
use FindBin ();
use JSON::PP ();
use Net::Lcast;
use Test::More;

# The versions and the list of files, of which each is told in several places.
chdir "$FindBin::Bin/.." or die $!;
$ExtUtils::Manifest::Quiet = 1;
is_deeply [ExtUtils::Manifest::manicheck()], [], 'what MANIFEST lists is there';
is_deeply [ExtUtils::Manifest::filecheck()], [], 'what is there MANIFEST lists';

sub read_file {
    my ($path) = @_;
    open my $file, '<', $path or die "$path: $!\n";
    local $/;
    return scalar <$file>;
}

my $version = $Net::Lcast::VERSION;
my @modules = grep { /\.pm\z/ && m{\Alib/} } keys %{ ExtUtils::Manifest::maniread() };
my @other = grep { read_file($_) !~ /^our \$VERSION\s+= '\Q$version\E';$/m } @modules;
is_deeply \@other, [], 'all modules have one version';
is $version, Net::Lcast->library, 'that of the library';
is JSON::PP::decode_json(read_file('META.json'))->{version}, "v$version", 'META.json has it';
like read_file('Changes'), qr/^\Q$version\E /m, 'Changes has it';

my $code = join '', map { read_file($_) =~ s/^__END__.*//msr } @modules;
$code =~ s/^\s*#.*//mg;
my %called = map { $_ => 1 } $code =~ /\b(lcast_\w*[a-z])\b/g;
cmp_ok scalar(keys %called), '>', 40, 'modules call the library';
is_deeply [grep { !Net::Lcast::Library->can($_) } sort keys %called], [],
    'each function that they call is attached';

done_testing;
