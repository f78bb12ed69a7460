#!/usr/bin/perl
# probe attack [NAME=HOST:PORT…]   try every attack, and to connect to each target; one line each
# probe forks | memory | disk | flood MIB | burn SECONDS | latency SECONDS   harm the neighbours
# Exit code of `attack`: 0 when all were blocked, 1 otherwise. Nothing here does lasting harm where
# an attack succeeds: the files, hosts and settings it writes are its own or written unchanged.
use strict;
use warnings;
use POSIX ();
use Socket;
$| = 1;

my $is_arm = (POSIX::uname())[4] eq 'aarch64';
my %NUMBER = (    # x86_64, aarch64
    syslog => [103, 116], setuid => [105, 146], setgid => [106, 144],
    chroot => [161, 51], mount => [165, 40], umount2 => [166, 39], swapon => [167, 224],
    reboot => [169, 142], sethostname => [170, 161], init_module => [175, 105],
    sched_setscheduler => [144, 119], setpriority => [141, 140],
    mknodat => [259, 33], unshare => [272, 97], kexec_load => [246, 104], add_key => [248, 217],
    keyctl => [250, 219], perf_event_open => [298, 241], open_by_handle_at => [304, 265],
    setns => [308, 268], bpf => [321, 280], userfaultfd => [323, 282],
    clock_settime => [227, 112], acct => [163, 89], pivot_root => [155, 41],
    clock_gettime => [228, 113],
);
sub call { my ($name, @rest) = @_; return syscall($NUMBER{$name}[$is_arm ? 1 : 0], @rest) }
# perl-base has no Time::HiRes
sub clock { my ($which) = @_; my $room = "\0" x 16; syscall($NUMBER{clock_gettime}[$is_arm ? 1 : 0], $which, $room); return $room }
sub now { my ($s, $ns) = unpack('q2', clock(1)); return $s + $ns / 1e9 }
sub pause { select(undef, undef, undef, $_[0]) }
# True when the call went through. In a child: what succeeds shall not change the next attack.
sub works { my @call = @_; return in_child(sub { call(@call) != -1 }) }

sub in_child {
    my ($what) = @_;
    my $pid = fork() // return 0;
    if ($pid == 0) { POSIX::_exit($what->() ? 1 : 0) }
    waitpid($pid, 0);
    return $? >> 8 == 1;
}
sub can_write {    # opened for writing; nothing is written
    my ($path) = @_;
    sysopen(my $file, $path, POSIX::O_WRONLY | POSIX::O_APPEND) or return 0;
    close $file;
    return 1;
}
sub can_make {
    my ($path) = @_;
    open(my $file, '>', $path) or return 0;
    close $file;
    unlink $path;
    return 1;
}
sub has_content {
    my ($path) = @_;
    open(my $file, '<', $path) or return 0;
    return (sysread($file, my $byte, 1) // 0) == 1;
}
sub connects {
    my ($host, $port) = @_;
    my $address = inet_aton($host) or return 0;
    socket(my $socket, PF_INET, SOCK_STREAM, 0) or return 0;
    local $SIG{ALRM} = sub { die "timeout\n" };
    my $is_connected = eval { alarm 3; my $ok = connect($socket, sockaddr_in($port, $address)); alarm 0; $ok };
    # A refusal is an answer of that host: the way to it is open.
    my $is_refused = !$is_connected && !$@ && $!{ECONNREFUSED};
    alarm 0;
    return $is_connected || $is_refused ? 1 : 0;
}
sub connects_to_file { my ($path) = @_; socket(my $socket, PF_UNIX, SOCK_STREAM, 0); return connect($socket, sockaddr_un($path)) }
sub output_of { my @argv = @_; open(my $pipe, '-|', @argv) or return ''; local $/; return <$pipe> // '' }
sub slurp { my ($path) = @_; open(my $file, '<', $path) or return ''; local $/; return <$file> // '' }

my @ATTACKS = (
    ['is root', sub { $> == 0 }],
    ['becomes root', sub { $> == 0 || works('setuid', 0) }],
    ['becomes group root', sub { works('setgid', 0) }],
    ['has a capability', sub { slurp('/proc/self/status') !~ /^CapEff:\s+0+$/m }],
    ['may gain a capability', sub { slurp('/proc/self/status') !~ /^CapBnd:\s+0+$/m }],
    ['gains rights by a set-user-id program', sub { output_of('/usr/local/bin/suid-id', '-u') =~ /^0$/ }],
    ['makes a set-user-id program in /tmp', sub {
        system('cp /usr/bin/id /tmp/id && chmod 4755 /tmp/id') == 0 or return 0;
        my $is_nosuid = slurp('/proc/self/mounts') =~ m{ /tmp \S+ \S*nosuid}; unlink '/tmp/id'; return !$is_nosuid }],
    ['writes to the root file system', sub { can_make('/usr/local/bin/x') || can_make('/x') }],
    ['changes the users', sub { can_write('/etc/passwd') || can_write('/etc/shadow') }],
    ['sets the core pattern (code run by the host)', sub { can_write('/proc/sys/kernel/core_pattern') }],
    ['sets the program that loads modules', sub { can_write('/proc/sys/kernel/modprobe') }],
    ['pulls the magic key', sub { can_write('/proc/sysrq-trigger') }],
    ['sets a cgroup release agent', sub { grep { can_write($_) } glob('/sys/fs/cgroup/*/release_agent') }],
    ['lifts its own limits', sub { grep { can_write($_) } glob('/sys/fs/cgroup/{pids/pids.max,memory/memory.limit_in_bytes,pids.max,memory.max}') }],
    ['sees host processes', sub { grep { slurp("$_/comm") =~ /^(dockerd|containerd|systemd|sshd)$/ } glob('/proc/[0-9]*') }],
    ['reads kernel memory', sub { has_content('/proc/kcore') || has_content('/dev/mem') }],
    ['reads the kernel log', sub { my $room = ' ' x 64; works('syslog', 3, $room, 64) || has_content('/dev/kmsg') }],
    ['reads firmware', sub { my @found = glob('/sys/firmware/*'); @found > 0 }],
    ['opens a disk of the host', sub { grep { has_content($_) } glob('/dev/{sd,vd,xvd,nvme,dm-,loop}*') }],
    ['makes a disk device', sub { in_child(sub { call('mknodat', -100, '/tmp/disk', 0060660, 0x800) == 0 && has_content('/tmp/disk') }) }],
    ['mounts', sub { works('mount', 'none', '/tmp', 'tmpfs', 0, 0) }],
    ['mounts the host\'s /proc anew', sub { works('mount', 'proc', '/proc', 'proc', 0, 0) }],
    ['unmounts what hides kernel files', sub { works('umount2', '/proc/kcore', 2) }],
    ['makes a user namespace', sub { works('unshare', 0x10000000) }],
    ['makes a mount namespace', sub { works('unshare', 0x20000) }],
    ['makes a network namespace', sub { works('unshare', 0x40000000) }],
    ['enters a namespace', sub { open(my $ns, '<', '/proc/1/ns/mnt') or return 0; works('setns', fileno($ns), 0) }],
    ['changes its root', sub { works('chroot', '/tmp') }],
    ['swaps its root', sub { works('pivot_root', '/tmp', '/tmp') && 1 }],
    ['opens a file by handle (out of the container)', sub {
        open(my $root, '<', '/') or return 0;
        my $handle = pack('II', 8, 1) . pack('q', 2);
        works('open_by_handle_at', fileno($root), $handle, 0) }],
    ['loads a kernel module', sub { $! = 0; call('init_module', '', 0, ''); !$!{EPERM} && !$!{ENOSYS} }],
    ['loads another kernel', sub { $! = 0; call('kexec_load', 0, 0, 0, 0xffff); !$!{EPERM} && !$!{ENOSYS} }],
    ['loads a bpf program', sub { $! = 0; my $nothing = "\0" x 64; call('bpf', 0, $nothing, 64); !$!{EPERM} && !$!{ENOSYS} }],
    ['uses the kernel\'s keys', sub { works('keyctl', 0, -3, 1) }],
    ['counts the host\'s performance', sub { my $what = pack('II', 1, 112) . "\0" x 104; works('perf_event_open', $what, -1, 0, -1, 0) }],
    ['handles its own page faults', sub { works('userfaultfd', 0) }],
    ['reboots', sub { $! = 0; call('reboot', 0, 0, 0, 0); !$!{EPERM} && !$!{ENOSYS} }],
    ['sets the clock', sub { works('clock_settime', 0, clock(0)) }],
    ['renames the host', sub { my $name = (POSIX::uname())[1]; works('sethostname', $name, length $name) }],
    ['switches accounting', sub { $! = 0; call('acct', '/nothing'); !$!{EPERM} && !$!{ENOSYS} }],
    ['swaps', sub { $! = 0; call('swapon', '/nothing', 0); !$!{EPERM} && !$!{ENOSYS} }],
    ['runs in real time', sub { my $priority = pack('i', 50); works('sched_setscheduler', 0, 1, $priority) }],
    ['puts itself first', sub { works('setpriority', 0, 0, -20) }],
    ['protects itself from the out-of-memory killer', sub { in_child(sub {
        open(my $file, '>', '/proc/self/oom_score_adj') or return 0; (syswrite($file, "-1000\n") // 0) > 0 }) }],
    ['forges packets (raw socket)', sub { socket(my $socket, PF_INET, SOCK_RAW, 1) ? 1 : 0 }],
    ['listens to the bridge (packet socket)', sub { socket(my $socket, 17, SOCK_RAW, 0x0300) ? 1 : 0 }],
    ['talks to Docker', sub { grep { connects_to_file($_) }
        '/var/run/docker.sock', '/run/docker.sock', '/run/containerd/containerd.sock' }],
    ['finds the platform\'s files', sub { grep { -e $_ } '/etc/rota', '/var/lib/rota', '/run/rota-client' }],
    ['finds a secret in its environment', sub { grep { /PASSWORD|TOKEN|SECRET|KAFKA|MYSQL/ } keys %ENV }],
    ['fills the disk by /tmp', sub { filled('/tmp/fill') > 200 }],
    ['fills the disk by /dev/shm', sub { filled('/dev/shm/fill') > 200 }],
    ['bombs with processes', sub { forked() > 1000 }],
);

sub filled {    # MiB that went into a file, 1 GiB at most
    my ($path) = @_;
    open(my $file, '>', $path) or return 0;
    my ($block, $count) = ("\1" x (1 << 20), 0);
    while ($count < 1024 && (syswrite($file, $block) // 0) == 1 << 20) { $count++ }
    close $file;
    unlink $path;
    return $count;
}
sub forked {    # processes that could be had, 2,000 at most
    my @children;
    while (@children < 2000) {
        my $pid = fork() // last;
        if ($pid == 0) { sleep 60; POSIX::_exit(0) }
        push @children, $pid;
    }
    kill 'KILL', @children;
    waitpid($_, 0) for @children;
    return scalar @children;
}

sub attack {
    my (@targets) = @_;
    my @attacks = @ATTACKS;
    for my $target (@targets) {
        my ($name, $host, $port) = $target =~ /^(.+)=(.+):(\d+)$/ or die "not NAME=HOST:PORT: $target\n";
        push @attacks, ["reaches $name", sub { connects($host, $port) }];
    }
    my $count = 0;
    for (@attacks) {
        my ($name, $try) = @$_;
        my $is_won = $try->() ? 1 : 0;
        print $is_won ? "SUCCEEDED" : "blocked", " $name\n";
        $count += $is_won;
    }
    printf "%d attacks, %d blocked\n", scalar @attacks, @attacks - $count;
    exit($count ? 1 : 0);
}
sub burn {
    my ($seconds) = @_;
    for (1 .. 16) { next if fork(); my $until = now() + $seconds; 1 while now() < $until; POSIX::_exit(0) }
    1 while wait() != -1;
}
sub latency {    # what a neighbour feels: how long a small piece of work takes, 100 times a second
    my ($seconds) = @_;
    my ($until, @took) = (now() + $seconds);
    while (now() < $until) {
        pause(0.01);
        my ($began, $sum) = (now(), 0);
        $sum += $_ for 1 .. 20_000;
        push @took, now() - $began;
    }
    @took = sort { $a <=> $b } @took;
    printf "p50=%.6f p90=%.6f count=%d\n", $took[@took / 2], $took[@took * 0.9], scalar @took;
}

my ($mode, @rest) = @ARGV;
if    ($mode eq 'attack')  { attack(@rest) }
elsif ($mode eq 'forks')   { while (1) { fork() // pause(0.001); } }
elsif ($mode eq 'memory')  { my @kept; push @kept, "\1" x (16 << 20) while 1 }
elsif ($mode eq 'disk')    { printf "%d\n", filled('/tmp/fill') }
elsif ($mode eq 'flood')   { my $line = 'x' x 1023 . "\n"; print $line for 1 .. 1024 * $rest[0] }
elsif ($mode eq 'burn')    { burn(@rest) }
elsif ($mode eq 'latency') { latency(@rest) }
else                       { die "unknown: $mode\n" }
