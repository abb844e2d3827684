import ArgumentParser
import Foundation
import Kernels
import Training

/// A batch script for Slurm, as printed by `vae-dist slurm` and stored in cluster/.
struct SlurmScript {
  enum Launcher: String, ExpressibleByArgument, CaseIterable {
    case srun, mpirun
  }

  var nodes: Int
  var ranksPerNode: Int
  var seconds: Int
  var partition: String?
  var account: String?
  var launcher: Launcher
  var array: String?
  var requeues: Bool
  var modules: [String]
  var program: String
  var options: [String]
  var arguments: [String]
  /// The name of the run if `arguments` contain one.
  var namedRun: String?

  var text: String {
    [heading, directives, guardText, settings, naming, start, waiting, requeues ? requeueing : ending].joined(
      separator: "\n")
  }

  // MARK: Parts

  private var heading: String {
    """
    #!/usr/bin/env bash
    # Usage: sbatch [OPTION OF sbatch ...] THIS-FILE [ARGUMENT OF vae-dist train ...]
    #
    # Trains on \(counted(nodes, "node")) with \(counted(ranksPerNode, "rank")) each\
    \(array == nil ? "" : ", one job for each seed of the array"). Before the time limit Slurm sends
    # USR1, the ranks write a checkpoint and stop with 75\
    \(requeues ? "; the job goes back into the queue and resumes." : ".")
    # Made by: \(command)

    """
  }

  /// The command line that prints this script.
  private var command: String {
    var words = ["vae-dist", "slurm"]
    if nodes != 1 { words += ["--nodes", "\(nodes)"] }
    if ranksPerNode != 8 { words += ["--ranks-per-node", "\(ranksPerNode)"] }
    if seconds != 14_400 { words += ["--time", clock] }
    for (name, value) in [("--partition", partition), ("--account", account), ("--array", array)] {
      if let value { words += [name, value] }
    }
    if launcher != .srun { words += ["--launcher", launcher.rawValue] }
    if requeues { words.append("--requeue") }
    for name in modules { words += ["--module", name] }
    if program != "vae-dist" { words += ["--program", program] }
    for option in options { words += ["--sbatch", option] }
    if !arguments.isEmpty { words += ["--"] + arguments }
    return words.map(\.shellWord).joined(separator: " ")
  }

  private var directives: String {
    var lines = ["job-name=vae-dist", "nodes=\(nodes)", "ntasks-per-node=\(ranksPerNode)", "time=\(clock)"]
    if let partition { lines.append("partition=\(partition)") }
    if let account { lines.append("account=\(account)") }
    if let array { lines.append("array=\(array)") }
    lines += ["signal=B:USR1@\(min(180, seconds / 5))", "open-mode=append"]
    if requeues { lines.append("requeue") }
    lines.append("output=vae-dist-\(array == nil ? "%j" : "%A_%a").out")
    lines += options
    return lines.map { "#SBATCH --\($0)\n" }.joined()
  }

  private var guardText: String {
    let job = array == nil ? "SLURM_JOB_ID" : "SLURM_ARRAY_TASK_ID"
    return """
      if [[ -z ${\(job):-} ]]; then
        echo "error: no Slurm job here; submit this file with sbatch" >&2
        exit 64
      fi

      """
  }

  private var settings: String {
    let modules = modules.joined(separator: " ")
    let run =
      namedRun.map(\.shellWord)
      ?? (array == nil ? "runs/$SLURM_JOB_ID" : "runs/$SLURM_ARRAY_JOB_ID-seed-$SLURM_ARRAY_TASK_ID")
    var lines: [(setting: String, meaning: String)] = [
      ("modules=\(modules.isEmpty ? "" : "\"\(modules)\"")", "of the site, such as \"openmpi/4.1 openblas\""),
      ("program=\(program.shellWord)", "a name on the PATH, or a path"),
      ("launcher=\(launcher)", "srun (with PMIx) or mpirun"),
      ("run=\(run)", requeues ? "the same after a requeue, so that training resumes" : "give --run to resume another"),
    ]
    if requeues { lines.append(("most_failures=3", "in a row, without a planned stop between them")) }
    let width = lines.map(\.setting.count).max() ?? 0
    return "# Settings\n"
      + lines.map {
        $0.setting.padding(toLength: width + 2, withPad: " ", startingAt: 0) + "# " + $0.meaning + "\n"
      }.joined()
  }

  /// Sets `run` to the name of the run, which other parts of the script use. `--run` is removed from the arguments.
  private var naming: String {
    let arrayGuard = #"""
      if [[ -n $named ]] && ((${SLURM_ARRAY_TASK_COUNT:-1} > 1)); then
        echo "error: --run names the run of one seed, but this array has $SLURM_ARRAY_TASK_COUNT; add --array=SEED to sbatch" >&2
        exit 64
      fi

      """#
    return #"""
      named=
      for word; do
        shift
        if [[ $named == next ]]; then
          named=1 run=$word
        elif [[ $word == --run ]]; then
          named=next
        elif [[ $word == --run=* ]]; then
          named=1 run=${word#--run=}
        else
          set -- "$@" "$word"
        fi
      done
      if [[ $named == next || -z $run ]]; then
        echo "error: --run without a directory; write --run runs/a" >&2
        exit 64
      fi

      """# + (array == nil ? "" : arrayGuard)
  }

  private var start: String {
    let seed = array == nil ? "" : " --seed \"$SLURM_ARRAY_TASK_ID\""
    let words = trainWords.map { " " + $0.shellWord }.joined()
    return #"""
      for module in $modules; do module load "$module" || exit 78; done
      set -euo pipefail
      export OPENBLAS_NUM_THREADS=1
      if ! command -v "$program" >/dev/null; then
        echo "error: $program not found on $(hostname); set \`program\` in this script, or PATH before sbatch" >&2
        exit 78
      fi

      case $launcher in
        # When a rank dies, srun ends the others after 10 seconds, in which they can stop by themselves.
        srun) launch=(srun --mpi=pmix --wait=10) ;;
        # With these options, a host that does not answer is noticed after six seconds instead of minutes.
        mpirun)
          launch=(mpirun -np "$SLURM_NTASKS" --mca oob_tcp_keepalive_time 3 --mca oob_tcp_keepalive_intvl 1
            --mca oob_tcp_keepalive_probes 3)
          ;;
        *) echo "error: launcher must be srun or mpirun, not $launcher" >&2; exit 64 ;;
      esac

      # Slurm signals only this shell, so the signal is passed on to the launcher, which signals the ranks.
      signalled=0
      pid=
      trap 'signalled=1; if [[ -n $pid ]]; then kill -USR1 "$pid" 2>/dev/null || true; fi' USR1

      echo "$(date -Is) start ${SLURM_RESTART_COUNT:-0}: $SLURM_NTASKS ranks on $SLURM_JOB_NODELIST by $launcher"
      "${launch[@]}" "$program" train --run "$run" --resume auto
      """# + "\(seed)\(words) \"$@\" &"
  }

  private var waiting: String {
    #"""
    pid=$!
    if ((signalled)); then kill -USR1 "$pid"; fi # the signal came before the launcher was started

    # A signal ends `wait` early, so wait until it is not interrupted: its status is then the launcher's.
    while :; do
      signalled=0
      status=0
      wait "$pid" || status=$?
      if ((!signalled)); then break; fi
    done
    echo "$(date -Is) ended with $status"

    """#
  }

  private var ending: String {
    let task = array == nil ? "" : " --array=$SLURM_ARRAY_TASK_ID"
    return #"""
      if ((status == 75)); then
        echo "stopped with a checkpoint; to resume: sbatch\#(task) THIS-FILE$(printf ' %q' --run "$run" "$@")"
      fi
      exit "$status"

      """#
  }

  private var requeueing: String {
    let job = array == nil ? "$SLURM_JOB_ID" : "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
    return #"""
      case $status in
        75) rm -f "$run/failures" ;; # stopped with a checkpoint
        86 | 137 | 138 | 205) # stalled, a rank killed, USR1 before the ranks handled it, a host lost: try again
          mkdir -p "$run"
          echo "$status" >>"$run/failures"
          if (($(wc -l <"$run/failures") > most_failures)); then
            echo "error: failed $((most_failures + 1)) times in a row: giving up" >&2
            exit "$status"
          fi
          ;;
        *) exit "$status" ;; # finished, or failed in a way that would be repeated, such as 87 (diverged)
      esac
      scontrol requeue "\#(job)"

      """#
  }

  // MARK: Arguments and times

  private var clock: String {
    let (days, hours, minutes, rest) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60)
    let time = [hours, minutes, rest].map { $0 < 10 ? "0\($0)" : "\($0)" }.joined(separator: ":")
    return days == 0 ? time : "\(days)-\(time)"
  }

  /// The arguments of `train` without the name of the run.
  private var trainWords: [String] {
    var words = [String](), isName = false
    for argument in arguments where !argument.hasPrefix("--run=") {
      if !isName, argument != "--run" { words.append(argument) }
      isName = !isName && argument == "--run"
    }
    return words
  }

  // MARK: Checks

  /// Returns the seconds of a time such as 3h50m, 08:00:00 or 1-12:00:00; nil for other texts.
  static func seconds(_ text: String) -> Int? {
    if let match = text.wholeMatch(of: /(?:(\d{1,4})-)?(\d{1,4}):([0-5]\d):([0-5]\d)/),
      let hours = Int(match.2), let minutes = Int(match.3), let rest = Int(match.4)
    {
      let days = match.1.flatMap { Int($0) }
      guard days == nil || hours < 24 else { return nil }
      return (days ?? 0) * 86_400 + hours * 3600 + minutes * 60 + rest
    }
    guard !text.isEmpty, let match = text.wholeMatch(of: /(?:(\d{1,4})d)?(?:(\d{1,4})h)?(?:(\d{1,5})m)?(?:(\d{1,6})s)?/)
    else { return nil }
    let parts = [(match.1, 86_400), (match.2, 3600), (match.3, 60), (match.4, 1)]
    return parts.reduce(0) { sum, part in sum + (part.0.flatMap { Int($0) } ?? 0) * part.1 }
  }

  static func checkWord(_ name: String, _ value: String?, also others: String = "") throws(Failure) {
    guard let value else { return }
    guard !value.isEmpty, !value.hasPrefix("-"),
      value.unicodeScalars.allSatisfy({ $0.isPlainInShell || others.unicodeScalars.contains($0) })
    else {
      throw Failure(.usage, "\(name) '\(value)' is not a name", hint: "use letters, digits and ._-\(others)")
    }
  }

  /// Throws if a value is empty or contains control characters, because a line break would add a line to the script.
  static func checkLine(_ name: String, _ value: String) throws(Failure) {
    guard !value.isEmpty, !value.unicodeScalars.contains(where: { $0.value < 32 || $0.value == 127 }) else {
      throw Failure(
        .usage, "\(name) is empty or has unprintable characters", hint: "write it on one line, without tabs")
    }
  }

  /// Throws unless an option of sbatch has the form `name` or `name=value`.
  static func checkOption(_ option: String) throws(Failure) {
    try checkLine("--sbatch", option)
    let name = option.prefix { $0 != "=" }
    guard option.wholeMatch(of: /[a-z][a-z-]*(=[^\s#]+)?/) != nil else {
      throw Failure(.usage, "--sbatch '\(option)' is not an option of sbatch", hint: "write --sbatch constraint=rome")
    }
    let own: Set = [
      "nodes", "ntasks", "ntasks-per-node", "time", "partition", "account", "array", "signal", "open-mode", "requeue",
      "no-requeue",
    ]
    guard !own.contains(String(name)) else {
      throw Failure(.usage, "--sbatch \(option): the script sets it itself", hint: "see vae-dist slurm --help")
    }
  }

  static func checkArray(_ list: String) throws(Failure) {
    let form = Failure(
      .usage, "--array \(list) is not a list of seeds", hint: "write 1-8, 1,5,9 or 1-100%4 (four at a time)")
    guard let match = list.wholeMatch(of: /([\d,-]+)(%[1-9]\d*)?/) else { throw form }
    for part in match.1.split(separator: ",", omittingEmptySubsequences: false) {
      let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
      guard let first = ends.first ?? nil, let last = ends.last ?? nil, ends.count <= 2, first <= last else {
        throw form
      }
    }
  }
}
