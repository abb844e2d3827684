# shellcheck shell=bash
# What the parts of scripts/test-cluster share: their namespaces, waiting, digests.

# Of all kinds that matter, so that the end of the first process in them ends every other and takes the hosts away.
unshare=(unshare --net --mount --pid --uts --ipc --fork --mount-proc --kill-child)
if ! is_root; then unshare+=(--user --map-root-user); fi

# apart COMMAND...: in such namespaces. Whatever ends this script ends all that runs in them: a trap calls end_child,
# and of a death without a trap the kernel tells the child.
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

# Settings of a training that takes little time.
small=(--preset digits --set "model.hidden=[32]" --set monitor.pictures_every=0 --batch-size 64 --microbatch 8)

# Once in the new namespaces.
enter() {
  unset OPENBLAS_CORETYPE
  ip link set lo up 2>/dev/null || true # not ours to do where there are no namespaces
  mkdir -p "$scratch"/{bin,tmp}
  export TMPDIR=$scratch/tmp # Open MPI finds traces of others in /tmp
  ln -sf "$program" "$scratch/bin/vae-dist"
  export PATH=$scratch/bin:$PATH OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
}

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

# step TITLE COMMAND...: says what holds, and how long that took to see.
step() {
  local started=$SECONDS
  title=$1
  shift
  "$@" # nothing around it, or `set -e` would not hold within
  echo "   $title: $((SECONDS - started)) s"
}

# wait_for SECONDS WHAT COMMAND...
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

# What is undisturbed, and what has time to be disturbed, by a single rank.
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
