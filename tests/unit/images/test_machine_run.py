"""The argv of a machine, whole: each flag was needed (environment notes in machine_run.py)."""

from images.machine_run import MachineRun, machine_run_args


def test_argv_of_a_machine_with_its_own_proc_view():
    machine = MachineRun(
        name="m1", network="rota-demo", address="172.30.0.11", authorized_key="ssh-ed25519 AAAA x",
        cpus=1.5, memory="3g", labels={"io.rota.machine": "m1"}, publish={8443: 8443},
        mounts={"/srv/witness": "/witness"})
    assert machine_run_args(machine) == [
        "docker", "run", "-d", "--name", "m1", "--hostname", "m1",
        "--network", "rota-demo", "--ip", "172.30.0.11",
        "--cap-add", "ALL", "--cap-drop", "SYS_RESOURCE",
        "--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined",
        "--cgroupns=host", "-v", "/sys/fs/cgroup:/sys/fs/cgroup:rw",
        "--tmpfs", "/run", "--tmpfs", "/run/lock", "--tmpfs", "/tmp:exec",
        "-v", "/var/lib/docker", "--cpus", "1.5", "--memory", "3g",
        "-v", "/var/lib/lxcfs/proc/stat:/proc/stat:rw",
        "-v", "/var/lib/lxcfs/proc/meminfo:/proc/meminfo:rw",
        "-v", "/var/lib/lxcfs/proc/cpuinfo:/proc/cpuinfo:rw",
        "-v", "/var/lib/lxcfs/proc/loadavg:/proc/loadavg:rw",
        "-v", "/var/lib/lxcfs/proc/uptime:/proc/uptime:rw",
        "-v", "/var/lib/lxcfs/proc/swaps:/proc/swaps:rw",
        "-v", "/var/lib/lxcfs/proc/diskstats:/proc/diskstats:rw",
        "-v", "/srv/witness:/witness", "-p", "127.0.0.1:8443:8443",
        "--label", "io.rota.machine=m1",
        "-e", "ROTA_MACHINE_AUTHORIZED_KEY=ssh-ed25519 AAAA x", "rota/machine:dev",
    ]


def test_without_lxcfs_nothing_is_bound_over_proc():
    argv = machine_run_args(MachineRun(name="m1", authorized_key="k", lxcfs=False))
    assert not [part for part in argv if "lxcfs" in part]
