use 5.020;
use strict;
use warnings;

use FindBin ();
use lib "$FindBin::Bin/lib";
use File::Find ();
use LcastLab;
use Net::Lcast;
use Test::More;

# Every example in the documentation is run as a program of its own.
my @files;
my $lib = "$FindBin::Bin/../lib";
File::Find::find(sub { push @files, $File::Find::name if /\.pm\z/ }, $lib);

# Blocks of indented lines, with what is empty between them.
sub examples {
    my ($file) = @_;
    my (undef, $pod) = split /^__END__$/m, LcastLab::read_file($file);
    my @blocks = ($pod // '') =~ /^((?:    .*\n|\n(?=    ))+)/mg;
    s/\A\n+//, s/^    //mg for @blocks;
    return @blocks;
}

my $lab = LcastLab->new('web1');
$lab->asker;
$lab->credential('queue');
my $count = 0;
for my $file (sort @files) {
    my ($name) = $file =~ m{lib/(Net/.*)\z};
    for my $example (examples($file)) {
        like $example, qr/\Ause /, "an example of $name is a whole program" or next;
        next if $example =~ /use (AnyEvent|IO::Async)/ && !eval "require $1";
        my ($status, $said) = $lab->run_perl("use strict;\nuse warnings;\n$example");
        is $status, 0, "an example of $name runs" or diag "$example\n$said";
        unlike $said, qr/ at .* line [0-9]+\.$/m, 'without a warning';
        $count++;
    }
}
cmp_ok $count, '>=', 15, 'there are examples';

SKIP: {
    skip 'there is no Pod::Checker', 1 unless eval { require Pod::Checker };
    my @bad = grep { Pod::Checker::podchecker($_, '/dev/null') > 0 } @files;
    is_deeply \@bad, [], 'the documentation is well-formed';
}

done_testing;
