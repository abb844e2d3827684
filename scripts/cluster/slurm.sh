# shellcheck shell=bash
# Tests of the job scripts in a Slurm of two nodes on this machine. Sourced by scripts/test-cluster inside
# separate namespaces, with $scratch, $root and vae-dist on the PATH.

# Daemons, ports, sockets and state are separate, so a Slurm of the machine is not affected.
slurm_configuration() {
  local host node
  host=$(hostname)
  cat <<TEXT
ClusterName=vaetest
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$scratch/munge/socket
CredType=cred/munge
StateSaveLocation=$scratch/state
SlurmdSpoolDir=$scratch/spool/%n
SlurmctldPidFile=$scratch/slurmctld.pid
SlurmdPidFile=$scratch/slurmd.%n.pid
SlurmctldLogFile=$scratch/slurmctld.log
SlurmdLogFile=$scratch/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
TmpFS=$scratch/tmp/%n
SlurmdParameters=config_overrides
ReturnToService=2
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobRequeue=1
KillWait=5
SlurmctldTimeout=30
SlurmdTimeout=10
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
TEXT
  for node in 1 2; do
    echo "NodeName=n$node NodeHostname=$host NodeAddr=127.0.0.1 Port=1700$node CPUs=4 Boards=1 SocketsPerBoard=1" \
      "CoresPerSocket=4 ThreadsPerCore=1 RealMemory=2000 State=UNKNOWN"
  done
  echo "PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP"
}

start_slurmd() {
  slurmd -D -N "$1" -f "$SLURM_CONF" >/dev/null 2>&1 &
  disown # the shell must not report its end
}

nodes_are_idle() { [[ $(sinfo -h -o %T 2>/dev/null) == idle && $(sinfo -h -o %D) == 2 ]]; }

start_slurm() {
  # Names and addresses are looked up only if there is an interface besides the loopback.
  ip link add vdslurm type bridge
  ip addr add 10.77.1.1/24 dev vdslurm
  ip link set vdslurm up
  mkdir -p "$scratch"/{munge,state,spool/n1,spool/n2,tmp/n1,tmp/n2}
  chmod 700 "$scratch/munge"
  head -c 1024 /dev/urandom >"$scratch/munge/key"
  chmod 400 "$scratch/munge/key"
  munged --force --key-file="$scratch/munge/key" --socket="$scratch/munge/socket" --seed-file="$scratch/munge/seed" \
    --pid-file="$scratch/munge/pid" --log-file="$scratch/munge/log" 2>/dev/null
  export SLURM_CONF=$scratch/slurm.conf
  slurm_configuration >"$SLURM_CONF"
  slurmctld -c -D -f "$SLURM_CONF" >/dev/null 2>&1 &
  sleep 1
  start_slurmd n1
  start_slurmd n2
  wait_for 60 "two idle nodes" nodes_are_idle
  # Open MPI's shared memory and binding do not work for two nodes that share /dev/shm and two cores.
  export OMPI_MCA_btl=self,tcp OMPI_MCA_btl_tcp_if_include=lo OMPI_MCA_oob_tcp_if_include=lo
  export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none
  export OMPI_MCA_mpi_yield_when_idle=1
}

job_state() { scontrol show job "$1" | sed -n 's/.*JobState=\([A-Z_]*\).*/\1/p' | sort -u | xargs; }
job_is() { [[ " $2 " == *" $(job_state "$1") "* ]]; }
restarts() { scontrol show job "$1" | sed -n 's/.*Restarts=\([0-9]*\).*/\1/p' | head -n 1; }

# back JOB COUNT: waits until the job has been requeued COUNT times, and starts it at once instead of after two minutes.
back() {
  wait_for 60 "requeue $2 of job $1" restarted "$1" "$2"
  wait_for 60 "job $1 in the queue" job_is "$1" PENDING
  sleep 2 # a job that starts within a second of its requeue is refused, because it has the old credential
  scontrol update JobId="$1" StartTime=now
}

# restarted JOB COUNT: whether the job has been requeued COUNT times.
restarted() { (($(restarts "$1") >= $2)); }

submit() { sbatch --parsable "$@"; }

expect_completed() { # JOB LOG
  wait_for 120 "the end of job $1" job_is "$1" "COMPLETED FAILED TIMEOUT NODE_FAIL CANCELLED"
  [[ $(job_state "$1") == COMPLETED ]] || { cat "$2" >&2; fail "job $1 ended as $(job_state "$1")"; }
}

# Prints the processes with a name on the second node: ranks, or the daemon of mpirun.
second_node() { # NAME
  local file
  for file in /proc/[0-9]*; do
    if [[ $(cat "$file/comm" 2>/dev/null) == "$1" ]] && grep -qz '^SLURMD_NODENAME=n2$' "$file/environ" 2>/dev/null; then
      echo "${file#/proc/}"
    fi
  done
}

checkpoints() { find "$1/checkpoints" -maxdepth 1 -name 'step-*' 2>/dev/null | sed 's/.*step-0*//' | sort -n | tail -n 1; }
beyond() { (($(checkpoints "$1" | grep . || echo 0) > $2)); }

# preempt JOB RUN TIMES: preempts the job TIMES times, each time after a further checkpoint.
preempt() {
  local job=$1 run=$2 times=$3 time at=0
  for ((time = 1; time <= times; time++)); do
    wait_for 60 "a checkpoint after start $time of job $job" beyond "$run" "$at"
    scancel -b -s USR1 "$job"
    back "$job" "$time"
    at=$(checkpoints "$run")
  done
}

slurm_scripts_are_accepted() {
  local file
  for file in "$root"/cluster/*.sbatch; do
    sbatch --test-only --nodes=2 --ntasks-per-node=2 "$file" 2>"$scratch/said" || { cat "$scratch/said"; fail "$file"; }
  done
}

slurm_one_node() {
  local job
  job=$(submit --ntasks-per-node=4 "$root/cluster/one-node.sbatch" "${short[@]}")
  expect_completed "$job" "vae-dist-$job.out"
  expect_digest "$short_digest" "runs/$job"
}

slurm_several_nodes() {
  local job
  job=$(submit --nodes=2 --ntasks-per-node=2 "$root/cluster/several-nodes.sbatch" "${short[@]}")
  expect_completed "$job" "vae-dist-$job.out"
  expect_digest "$short_digest" "runs/$job"
  grep -q 'start 0: 4 ranks on n\[1-2\] by srun' "vae-dist-$job.out" || fail "the job did not use two nodes"
}

slurm_preempted() {
  local job
  job=$(submit --ntasks-per-node=2 "$root/cluster/requeue.sbatch" "${long[@]}")
  preempt "$job" "runs/$job" 2
  expect_completed "$job" "vae-dist-$job.out"
  expect_digest "$long_digest" "runs/$job"
  grep -E '^[^ ]* (start|ended with) ' "vae-dist-$job.out" | cut -d' ' -f2- >log
  diff - log <<TEXT || fail "the log of the job does not show two requeues"
start 0: 4 ranks on n[1-2] by srun
ended with 75
start 1: 4 ranks on n[1-2] by srun
ended with 75
start 2: 4 ranks on n[1-2] by srun
ended with 0
TEXT
  sed 's/^/      /' log
}

slurm_printed() {
  local job
  vae-dist slurm --nodes 2 --ranks-per-node 2 --time 1h --launcher mpirun --requeue -- "${long[@]}" >printed.sbatch
  job=$(submit printed.sbatch)
  preempt "$job" "runs/$job" 1
  # Then all processes on the second node are killed: the daemon of mpirun and the ranks.
  wait_for 60 "a checkpoint" beyond "runs/$job" "$(checkpoints "runs/$job")"
  # shellcheck disable=SC2046
  kill -KILL $(second_node orted) $(second_node vae-dist)
  back "$job" 2
  expect_completed "$job" "vae-dist-$job.out"
  expect_digest "$long_digest" "runs/$job"
  grep -E '^[^ ]* ended with ' "vae-dist-$job.out" | cut -d' ' -f2- | xargs | tee log
  [[ $(<log) =~ ^"ended with 75 ended with "(205|137)" ended with 0"$ ]] || fail "the job ended in another way: $(<log)"
}

slurm_rank_killed() {
  local job ranks
  job=$(submit --ntasks-per-node=2 "$root/cluster/requeue.sbatch" "${long[@]}")
  wait_for 60 "a checkpoint" beyond "runs/$job" 0
  mapfile -t ranks < <(second_node vae-dist)
  kill -KILL "${ranks[0]}"
  back "$job" 1
  expect_completed "$job" "vae-dist-$job.out"
  expect_digest "$long_digest" "runs/$job"
  grep '^[^ ]* ended with ' "vae-dist-$job.out"
}

slurm_node_lost() {
  local job
  job=$(submit --ntasks-per-node=2 "$root/cluster/requeue.sbatch" "${long[@]}")
  wait_for 60 "a checkpoint" beyond "runs/$job" 0
  # shellcheck disable=SC2046
  kill -KILL "$(<"$scratch/slurmd.n2.pid")" $(pgrep -f 'slurmstepd.*n2' || true) $(second_node vae-dist)
  wait_for 90 "requeue of job $job" restarted "$job" 1
  start_slurmd n2
  back "$job" 1
  expect_completed "$job" "vae-dist-$job.out"
  expect_digest "$long_digest" "runs/$job"
  grep -E '^[^ ]* (start|ended with) ' "vae-dist-$job.out"
}

slurm_seeds() {
  local job seed digests=()
  job=$(submit --array=1-3 --ntasks-per-node=2 "$root/cluster/seeds.sbatch" "${short[@]}")
  for seed in 1 2 3; do
    expect_completed "${job}_$seed" "vae-dist-${job}_$seed.out"
    digests+=("$(digest "runs/$job-seed-$seed")")
  done
  [[ $(printf '%s\n' "${digests[@]}" | sort -u | wc -l) == 3 ]] || fail "different seeds give the same digest: ${digests[*]}"
  [[ ${digests[0]} == "$short_digest" ]] || fail "seed 1 gives another digest than outside of Slurm"
}

slurm_cancelled() {
  local job
  job=$(submit --ntasks-per-node=2 "$root/cluster/requeue.sbatch" "${long[@]}")
  wait_for 60 "a checkpoint" beyond "runs/$job" 0
  scancel "$job"
  wait_for 60 "the end of job $job" job_is "$job" CANCELLED
  sleep 8 # longer than KillWait
  job_is "$job" CANCELLED || fail "a cancelled job came back as $(job_state "$job")"
}

test_slurm() {
  reference
  start_slurm
  step "sbatch accepts every script" slurm_scripts_are_accepted
  step "one-node.sbatch gives the digest of a single rank" slurm_one_node
  step "several-nodes.sbatch gives the same digest on two nodes" slurm_several_nodes
  step "requeue.sbatch gives the same digest after it is preempted and requeued twice" slurm_preempted
  step "requeue.sbatch gives the same digest after a rank of the second node is killed" slurm_rank_killed
  step "requeue.sbatch gives the same digest after the second node is lost" slurm_node_lost
  step "a printed script with mpirun gives the same digest after it is preempted and loses its second node" slurm_printed
  step "seeds.sbatch gives three digests for three seeds" slurm_seeds
  step "a cancelled job does not come back" slurm_cancelled
}
