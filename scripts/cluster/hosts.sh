# shellcheck shell=bash
# Makes two hosts on this machine for mpirun, in one of two ways:
#   namespaces: each host has its own network, name, /dev/shm and temporary files, and a bridge joins them. They are
#               made inside the namespaces of common.sh and end with them;
#   fakes:      Open MPI treats the same machine as two hosts, which needs no privileges.
# Source this file after common.sh. Then use: on_hosts RANKS-ON-FIRST RANKS-ON-SECOND COMMAND...

can_make_hosts() { "${unshare[@]}" bash -c "$(declare -f make_hosts); make_hosts" >/dev/null 2>&1; }

make_hosts() {
  local i
  mkdir -p /run
  mount -t tmpfs none /run # `ip netns` stores its names there
  mkdir -p /run/netns
  ip link add vdbridge type bridge
  ip addr add 10.77.0.254/24 dev vdbridge
  ip link set vdbridge up
  for i in 1 2; do
    ip netns add "vd$i"
    ip link add "vd${i}h" type veth peer name eth0 netns "vd$i"
    ip link set "vd${i}h" master vdbridge up
    ip -n "vd$i" addr add "10.77.0.$i/24" dev eth0
    ip -n "vd$i" link set eth0 up
    ip -n "vd$i" link set lo up
  done
}

# Writes the program that mpirun calls instead of ssh: AGENT [OPTION ...] HOST COMMAND...
write_agent() { # KIND
  local enter
  case $1 in
    namespaces)
      enter='exec ip netns exec "$host" unshare --uts --mount bash -c "
        hostname $host && mount -t tmpfs none /dev/shm && mkdir -p $place/$host &&
        mount --bind $place/$host /var/tmp && export TMPDIR=/var/tmp && $*"'
      ;;
    fakes) enter='mkdir -p "$place/$host"
      exec env TMPDIR="$place/$host" OMPI_MCA_orte_tmpdir_base="$place/$host" bash -c "$*"' ;;
  esac
  cat >"$scratch/agent" <<TEXT
#!/usr/bin/env bash
place=$scratch
while [[ \$1 == -* ]]; do shift; done
host=\$1
shift
$enter
TEXT
  chmod +x "$scratch/agent"
}

# hosts KIND: makes the hosts.
hosts() {
  kind=$1
  if [[ $kind == namespaces ]]; then make_hosts; fi
  write_agent "$kind"
}

# on_hosts FIRST SECOND COMMAND...: starts these numbers of ranks; the first host has the first ranks.
on_hosts() {
  local first=$1 second=$2 launch
  shift 2
  launch=(mpirun --bind-to none --oversubscribe --mca plm rsh --mca plm_rsh_agent "$scratch/agent"
    --mca plm_rsh_no_tree_spawn 1 --mca oob_tcp_keepalive_time 3 --mca oob_tcp_keepalive_intvl 1
    --mca oob_tcp_keepalive_probes 3 --mca mpi_yield_when_idle 1)
  case $kind in
    namespaces)
      launch+=(--mca oob_tcp_if_include 10.77.0.0/24 --mca btl "self,vader,tcp" --mca btl_tcp_if_include 10.77.0.0/24)
      ;;
    fakes) launch+=(--mca btl "self,tcp" --mca btl_tcp_if_include lo) ;;
  esac
  local places=vd1:$first
  if ((second)); then places+=,vd2:$second; fi
  "${launch[@]}" --host "$places" -np $((first + second)) "$@"
}
