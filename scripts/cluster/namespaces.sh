# shellcheck shell=bash
# Tests of two hosts: the same bits over a network, a link that is lost, and one that is slow. Sourced by
# scripts/test-cluster.

two_hosts_same_digest() { # FIRST SECOND
  rm -rf hosts
  on_hosts "$1" "$2" vae-dist train "${short[@]}" --run hosts
  expect_digest "$short_digest" hosts
  # The run must really have used both hosts.
  grep -q "\"ranks\": $(($1 + $2)), \"ranks_on_this_node\": $1," hosts/environment.json ||
    fail "the run did not use two hosts: $(cat hosts/environment.json)"
}

has_checkpoints() { (($(cat "$1/metrics.jsonl" 2>/dev/null | grep -c '"kind": "checkpoint"') >= $2)); }
is_gone() { ! kill -0 "$1" 2>/dev/null; }
second_is_empty() { [[ -z $(ip netns pids vd2) ]]; }

link_cut() {
  local job began status=0
  on_hosts 2 2 vae-dist train "${long[@]}" --run cut >cut.log 2>&1 &
  job=$!
  wait_for 60 "five checkpoints" has_checkpoints cut 5
  ip link set vd2h down
  began=$SECONDS
  wait_for 15 "end of the job after its link was cut" is_gone "$job"
  wait "$job" || status=$?
  ((status == 205 || status == 86)) || { cat cut.log >&2; fail "it ended with $status instead of 205 or 86"; }
  echo "   ended with $status, $((SECONDS - began)) s after the cut"
  wait_for 30 "end of what ran on the host that was cut off" second_is_empty
  ip link set vd2h up
  sleep 1
  on_hosts 1 2 vae-dist train "${long[@]}" --run cut
  expect_digest "$long_digest" cut
  grep -q '"kind": "resume"' cut/metrics.jsonl || fail "it did not resume"
}

host_killed() {
  local job status=0
  on_hosts 2 2 vae-dist train "${long[@]}" --run killed >killed.log 2>&1 &
  job=$!
  wait_for 60 "five checkpoints" has_checkpoints killed 5
  # shellcheck disable=SC2046
  kill -KILL $(ip netns pids vd2)
  wait_for 15 "end of the job after its host was killed" is_gone "$job"
  wait "$job" || status=$?
  ((status == 205 || status == 137)) || { cat killed.log >&2; fail "it ended with $status instead of 205 or 137"; }
  on_hosts 3 1 vae-dist train "${long[@]}" --run killed
  expect_digest "$long_digest" killed
}

shape() { # add|del
  local i
  for i in 1 2; do
    if [[ $1 == add ]]; then
      tc qdisc add dev "vd${i}h" root tbf rate 1gbit burst 256kb latency 100ms
      tc -n "vd$i" qdisc add dev eth0 root tbf rate 1gbit burst 256kb latency 100ms
    else
      tc qdisc del dev "vd${i}h" root
      tc -n "vd$i" qdisc del dev eth0 root
    fi
  done
}

field() { sed -n "s/.*\"$1\": *\([0-9.e+-]*\).*/\1/p"; }
median() { sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

# Measures the exchange of 7.4 MB of gradients over 1 Gbit/s after backward and during backward.
overlap() {
  local round mode buckets
  rm -f steps-* exchange-*
  shape add
  for round in 1 2 3; do
    for mode in off on; do
      if [[ $mode == off ]]; then buckets=1; else buckets=0; fi # 0: chosen by a trial
      on_hosts 1 1 vae-dist bench step --preset mnist-mlp --json --set 'model.hidden=[512,512,512]' \
        --batch-size 4096 --microbatch 2048 --set "train.buckets=$buckets" >"bench-$mode-$round"
      field milliseconds <"bench-$mode-$round" >>"steps-$mode"
      field exchange_milliseconds <"bench-$mode-$round" >>"exchange-$mode"
    done
  done
  shape del
  awk -v off="$(median <steps-off)" -v on="$(median <steps-on)" -v exchange="$(median <exchange-off)" 'BEGIN {
    hidden = (off - on) / exchange
    printf "   one step: %.1f ms blocking, %.1f ms with overlap; exchange %.1f ms: %.0f %% hidden\n", off, on, exchange, \
      100 * hidden
    exit !(hidden >= 0.6)
  }' || fail "overlap hides less than 60 % of the exchange"
}

shaped_same_digest() {
  shape add
  two_hosts_same_digest 2 2
  shape del
}

test_namespaces() {
  reference
  hosts namespaces
  step "2 + 2 ranks on two hosts give the digest of one rank" two_hosts_same_digest 2 2
  step "3 + 1 ranks give the digest of one rank" two_hosts_same_digest 3 1
  step "1 + 2 ranks give the digest of one rank" two_hosts_same_digest 1 2
  step "a job whose link is cut ends, and resumes with other ranks to the same digest" link_cut
  step "a job whose host is killed ends, and resumes with other ranks to the same digest" host_killed
  step "a network of 1 Gbit/s gives the same digest" shaped_same_digest
  step "overlap hides the exchange over 1 Gbit/s" overlap
}

# This is used if namespaces cannot be created.
test_fakes() {
  reference
  hosts fakes
  step "2 + 2 ranks on two nodes of one machine give the digest of one rank" two_hosts_same_digest 2 2
  step "3 + 1 ranks give the digest of one rank" two_hosts_same_digest 3 1
  step "1 + 2 ranks give the digest of one rank" two_hosts_same_digest 1 2
}
