# shellcheck shell=bash
# Functions that the scripts share. Source this file instead of running it.

# shellcheck disable=SC2034
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Prints the comment at the head of the calling script, which is its help.
usage() {
  awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"
}

die() {
  echo "error: $*" >&2
  exit 1
}

# phase TITLE COMMAND...: prints a heading, runs the command, and prints how long it took.
phase() {
  local title=$1 started=$SECONDS
  shift
  echo "== $title"
  "$@"
  echo "== $title: $((SECONDS - started)) s"
}

is_root() { [[ $(id -u) -eq 0 ]]; }

# Prints the number of cores, without hardware threads, which is what mpirun counts as slots.
cores() {
  local n=0
  if command -v lscpu >/dev/null; then
    n=$(lscpu -p=CORE,SOCKET 2>/dev/null | grep -v '^#' | sort -u | wc -l)
  fi
  if ((n == 0)); then n=$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN); fi
  echo "$n"
}

# Open MPI refuses to run as root (as in a container) unless both of these variables are set.
allow_mpi_as_root() {
  if is_root; then export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; fi
}

# number KEY FILE: prints the number of a key in a JSON file with one object.
number() {
  tr -d '\n' <"$2" | grep -oE "\"$1\" *: *-?[0-9][0-9.eE+-]*" | head -n 1 | sed 's/.*: *//' || true
}

word() {
  tr -d '\n' <"$2" | grep -oE "\"$1\" *: *\"[^\"]*\"" | head -n 1 | sed 's/.*: *"//; s/"$//' || true
}

median() { # prints the median of the numbers on stdin
  LC_ALL=C sort -g | awk '{ v[NR] = $1 } END { if (NR) printf "%.6g", (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'
}

ratio() { # A B: prints A / B, or a dash if either is missing
  awk -v a="${1:-0}" -v b="${2:-0}" 'BEGIN { if (a > 0 && b > 0) printf "%.2f", a / b; else printf "-" }'
}
