# shellcheck shell=bash
# Functions that the parts of scripts/test-cluster share: namespaces, waiting and digests.

# These kinds of namespaces make all other processes and the hosts end with the first process in them.
unshare=(unshare --net --mount --pid --uts --ipc --fork --mount-proc --kill-child)
if ! is_root; then unshare+=(--user --map-root-user); fi

# apart COMMAND...: runs a command in such namespaces. All that runs in them ends with this script: a trap calls end_child,
# and the kernel kills the child if the script dies without a trap.
apart() {
  setpriv --pdeathsig KILL "${unshare[@]}" "$@" &
  child=$!
  wait "$child"
}

child=
end_child() {
  if [[ $child ]]; then
    kill -KILL "$child" 2>/dev/null || true
    wait "$child" 2>/dev/null || true
  fi
}

can_enter() { "${unshare[@]}" true 2>/dev/null; }

# Settings of a short training.
small=(--preset digits --set "model.hidden=[32]" --set monitor.pictures_every=0 --batch-size 64 --microbatch 8)

# Prepares the new namespaces.
enter() {
  unset OPENBLAS_CORETYPE
  ip link set lo up 2>/dev/null || true # fails without namespaces, where it is not needed
  mkdir -p "$scratch"/{bin,tmp}
  export TMPDIR=$scratch/tmp # Open MPI would find files of other runs in /tmp
  ln -sf "$program" "$scratch/bin/vae-dist"
  export PATH=$scratch/bin:$PATH OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
}

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

# step TITLE COMMAND...: runs a command, and prints the title and how long it took.
step() {
  local started=$SECONDS
  title=$1
  shift
  "$@" # not in a condition, in which `set -e` would have no effect
  echo "   $title: $((SECONDS - started)) s"
}

# wait_for SECONDS WHAT COMMAND...: waits until the command succeeds.
wait_for() {
  local limit=$1 what=$2 started=$SECONDS
  shift 2
  until "$@"; do
    ((SECONDS - started < limit)) || fail "no $what within $limit s"
    sleep 0.1
  done
}

digest() { vae-dist inspect "$1" --json | sed -n 's/.*"digest": *"\(sha256:[0-9a-f]*\)".*/\1/p'; }

expect_digest() { # DIGEST RUN
  local found
  found=$(digest "$2")
  [[ -n $1 && $found == "$1" ]] || fail "$2 has the digest ${found:-none}, not ${1:-none}"
}

# Trains a short and a long reference run with one rank.
reference() {
  mkdir "$scratch/work"
  cd "$scratch/work"
  short=(-q "${small[@]}" --max-steps 200)
  long=(-q "${small[@]}" --max-steps 2000 --set checkpoint.every_steps=20)
  vae-dist train "${short[@]}" --run short
  vae-dist train "${long[@]}" --run long
  short_digest=$(digest short)
  long_digest=$(digest long)
}
