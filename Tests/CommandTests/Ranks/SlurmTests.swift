import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// Tests of the Slurm scripts: the files in cluster/ equal the output of the command, and handle a launcher's end.
  @Suite struct SlurmTests {
    static let folder =
      URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
      .deletingLastPathComponent().path + "/cluster"

    /// Runs a shell line that finds programs in `path` and then the built programs.
    private func shell(_ line: String, path: String? = nil, environment: [String: String] = [:], in directory: String)
      throws -> Outcome
    {
      let search = ([path, binaries].compactMap { $0 } + ["/usr/bin", "/bin"]).joined(separator: ":")
      return try Child(
        ["bash", "-c", line],
        environment: plainEnvironment.merging(environment) { $1 }.merging(["PATH": search]) { $1 },
        directory: directory
      ).wait()
    }

    @Test("The files in cluster/ equal the output of the command that each contains")
    func files() throws {
      let names = try FileManager.default.contentsOfDirectory(atPath: Self.folder).filter { $0.hasSuffix(".sbatch") }
      #expect(names.sorted() == ["one-node.sbatch", "requeue.sbatch", "seeds.sbatch", "several-nodes.sbatch"])
      for name in names {
        let text = try String(contentsOfFile: "\(Self.folder)/\(name)", encoding: .utf8)
        let mark = "# Made by: "
        let line = try #require(text.split(separator: "\n").first { $0.hasPrefix(mark) }).dropFirst(mark.count)
        let outcome = try shell(String(line), in: Self.folder)
        #expect(outcome.output == text, "\(name) differs; after a change: \(line) > cluster/\(name)")
      }
    }

    @Test("A script contains the settings and the command that prints it again")
    func settings() throws {
      let scratch = try Scratch()
      let command =
        "vae-dist slurm --nodes 4 --ranks-per-node 16 --time 1d12h --partition long,short --account a1 --array 1-8%2 "
        + "--launcher mpirun --requeue --module openmpi/4.1 --module blas --program '/opt/my site/vae-dist' "
        + "--sbatch mem=4G --sbatch exclusive -- --batch-size 64 --microbatch 1 --data 'it'\\''s mine'"
      let outcome = try shell(command, in: scratch.path)
      #expect(outcome.status == 0, "\(outcome.errors)")
      for line in [
        "#SBATCH --nodes=4", "#SBATCH --ntasks-per-node=16", "#SBATCH --time=1-12:00:00",
        "#SBATCH --partition=long,short", "#SBATCH --account=a1", "#SBATCH --array=1-8%2", "#SBATCH --requeue",
        "#SBATCH --signal=B:USR1@180", "#SBATCH --mem=4G", "#SBATCH --exclusive",
        "# Made by: \(command.replacingOccurrences(of: "1d12h", with: "1-12:00:00"))",
      ] {
        #expect(outcome.lines.contains(line), "\(line)")
      }
      for text in [
        "modules=\"openmpi/4.1 blas\" ", "program='/opt/my site/vae-dist' ", "launcher=mpirun ",
        "--seed \"$SLURM_ARRAY_TASK_ID\" --batch-size 64 --microbatch 1 --data 'it'\\''s mine' \"$@\" &",
      ] {
        #expect(outcome.count(of: text) == 1, "\(text)")
      }
      try outcome.output.write(toFile: scratch.path + "/job", atomically: true, encoding: .utf8)
      #expect(try shell("bash -n job", in: scratch.path).status == 0)
      let bare = try shell("bash job", in: scratch.path)
      #expect(bare.status == 64 && bare.errors.contains("submit this file with sbatch"))
    }

    static let mistakes: [(arguments: [String], status: Int32, texts: [String])] = [
      (["--nodes", "0"], 64, ["--nodes 0", "write --nodes 4"]),
      (["--ranks-per-node", "0"], 64, ["--ranks-per-node 0"]),
      (["--time", "30"], 64, ["--time 30 is not a time limit", "a bare number"]),
      (["--time", "1-30:00:00"], 64, ["is not a time limit"]), (["--time", ""], 64, ["is not a time limit"]),
      (["--time", "8h30"], 64, ["is not a time limit"]), (["--time", "299s"], 64, ["from five minutes"]),
      (["--partition", "a b"], 64, ["--partition 'a b' is not a name"]), (["--account", ""], 64, ["is not a name"]),
      (["--module", "a;b"], 64, ["--module 'a;b' is not a name"]),
      (["--program", "a\nb"], 64, ["--program is empty or"]),
      (["--array", "3-1"], 64, ["--array 3-1 is not a list of seeds"]),
      (["--array", "1,,2"], 64, ["not a list of seeds"]),
      (["--array", "1-8%0"], 64, ["not a list of seeds"]), (["--array", "1-2-3"], 64, ["not a list of seeds"]),
      (["--sbatch", "time=3"], 64, ["the script sets it itself"]),
      (["--sbatch", "a b"], 64, ["is not an option of sbatch"]),
      (["--launcher", "ssh"], 64, ["'srun' and 'mpirun'"]),
      (["--", "--bogus"], 64, ["Unknown option '--bogus'", "vae-dist train --help"]),
      (["--", "--run="], 64, ["Missing value for '--run <run>'"]),
      (["--", "--resume", "none"], 64, ["resumes its own run"]),
      (["--array", "1-3", "--", "--seed", "2"], 64, ["omit --run and --seed"]),
      (["--", "--set", "model.latnt=3"], 78, ["did you mean model.latent?"]),
      (["--nodes", "3"], 78, ["3 nodes of 8 ranks are 24 ranks", "a batch has 8 microbatches", "-- --microbatch 2"]),
      (["--nodes", "9"], 78, ["-- --batch-size 72 --microbatch 1"]),
    ]

    @Test("Impossible settings are refused when the script is printed", arguments: mistakes)
    func mistake(arguments: [String], status: Int32, texts: [String]) throws {
      let outcome = try run(["slurm"] + arguments)
      #expect(outcome.status == status && outcome.output.isEmpty, "\(outcome.errors)")
      for text in texts { #expect(outcome.errors.contains(text), "\(outcome.errors)") }
    }

    /// A stand-in for Slurm: `srun` does what the test says, and `scontrol` records its arguments.
    private func cluster(_ scratch: Scratch, srun: String) throws -> String {
      let path = scratch.path + "/bin"
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
      for (name, text) in [("srun", srun), ("scontrol", "echo \"$@\" >>\(scratch.path)/asked")] {
        try "#!/bin/bash\n\(text)\n".write(toFile: "\(path)/\(name)", atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: "\(path)/\(name)")
      }
      return path
    }

    private let job = [
      "SLURM_JOB_ID": "12", "SLURM_ARRAY_JOB_ID": "11", "SLURM_ARRAY_TASK_ID": "3", "SLURM_NTASKS": "8",
      "SLURM_JOB_NODELIST": "n[1-2]",
    ]

    private func asked(_ scratch: Scratch) -> [String] {
      let data = FileManager.default.contents(atPath: scratch.path + "/asked") ?? Data()
      return String(decoding: data, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    @Test("A job is requeued after a stop with a checkpoint and never after a divergence")
    func requeues() throws {
      for (status, isRequeued) in [(75, true), (138, true), (0, false), (87, false), (78, false), (1, false)] {
        let scratch = try Scratch()
        let path = try cluster(scratch, srun: "exit \(status)")
        let outcome = try shell("bash \(Self.folder)/requeue.sbatch", path: path, environment: job, in: scratch.path)
        #expect(asked(scratch) == (isRequeued ? ["requeue 12"] : []), "\(status): \(outcome.errors)")
        #expect(outcome.status == (isRequeued ? 0 : Int32(status)), "\(outcome.errors)")
        #expect(outcome.output.contains("ended with \(status)\n"))
      }
    }

    @Test(
      "The number of failures in a row is limited, and a planned stop resets the count", arguments: [86, 137, 138, 205])
    func failures(status: Int) throws {
      let scratch = try Scratch()
      let failing = try cluster(scratch, srun: "exit $(<\(scratch.path)/status)")
      func job(ending status: Int) throws -> Outcome {
        try "\(status)".write(toFile: scratch.path + "/status", atomically: true, encoding: .utf8)
        return try shell(
          "bash \(Self.folder)/requeue.sbatch", path: failing, environment: self.job, in: scratch.path)
      }
      for next in [status, status, 75, status, status, status] { #expect(try job(ending: next).status == 0) }
      #expect(asked(scratch).count == 6)
      let last = try job(ending: status)
      #expect(last.status == Int32(status) && last.errors.contains("failed 4 times in a row: giving up"))
      #expect(asked(scratch).count == 6)
    }

    @Test("A task of an array requeues itself instead of the array")
    func arrayTask() throws {
      let scratch = try Scratch()
      let path = try cluster(scratch, srun: "echo \"$@\"; exit 75")
      let outcome = try shell(
        "vae-dist slurm --array 1-4 --requeue >job && bash job --max-steps 5", path: path, environment: job,
        in: scratch.path)
      #expect(asked(scratch) == ["requeue 11_3"], "\(outcome.errors)")
      #expect(outcome.output.contains("train --run runs/11-seed-3 --resume auto --seed 3 --max-steps 5\n"))
    }

    /// The words after `sbatch` on the line that says how to resume.
    private func goesOn(_ outcome: Outcome) throws -> String {
      let mark = "to resume: sbatch "
      let line = try #require(outcome.lines.first { $0.contains(mark) }, "\(outcome.output)\(outcome.errors)")
      return String(line[try #require(line.range(of: mark)).upperBound...])
    }

    @Test(
      "The line on how to resume names the run and the other arguments",
      arguments: [
        ("--run runs/a --max-steps 5", "runs/a", " --max-steps 5"), ("--run=runs/a", "runs/a", ""),
        ("-q --run a --run 'it is mine' --data 'my data'", "it\\ is\\ mine", " -q --data my\\ data"),
        ("", "runs/12", ""), ("--max-steps 5", "runs/12", " --max-steps 5"),
      ])
    func namedRun(given: String, run: String, others: String) throws {
      let scratch = try Scratch()
      let path = try cluster(scratch, srun: "printf '%q ' \"${@:5}\"; echo; exit 75")
      let outcome = try shell(
        "bash \(Self.folder)/one-node.sbatch \(given)", path: path, environment: job, in: scratch.path)
      #expect(outcome.status == 75, "\(outcome.errors)")
      #expect(outcome.lines.contains("--run \(run) --resume auto\(others) "), "\(outcome.output)")
      let line = try goesOn(outcome)
      #expect(line == "THIS-FILE --run \(run)\(others)")
      // The printed command has the same effect.
      let script = line.replacingOccurrences(of: "THIS-FILE", with: Self.folder + "/one-node.sbatch")
      let again = try shell("bash \(script)", path: path, environment: job, in: scratch.path)
      #expect(try goesOn(again) == line)
    }

    @Test("Failures are counted in the directory of the run")
    func namedFailures() throws {
      let scratch = try Scratch()
      let path = try cluster(scratch, srun: "exit 137")
      let outcome = try shell(
        "bash \(Self.folder)/requeue.sbatch --run runs/a", path: path, environment: job, in: scratch.path)
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(FileManager.default.fileExists(atPath: scratch.path + "/runs/a/failures"))
    }

    @Test("A run that was named when the script was printed is used by the script")
    func namedInScript() throws {
      let scratch = try Scratch()
      let path = try cluster(scratch, srun: "echo \"$@\"; exit 75")
      for words in ["--max-steps 5 --run 'my run'", "'--run=my run' --max-steps 5"] {
        let outcome = try shell(
          "vae-dist slurm -- \(words) >job && bash job", path: path, environment: job, in: scratch.path)
        #expect(try goesOn(outcome) == "THIS-FILE --run my\\ run", "\(outcome.errors)")
        #expect(outcome.output.contains("train --run my run --resume auto --max-steps 5\n"))
      }
    }

    @Test("One task of an array can be resumed alone, and --run is refused for several tasks")
    func namedTask() throws {
      let scratch = try Scratch()
      let path = try cluster(scratch, srun: "exit 75")
      func outcome(tasks: Int, _ words: String) throws -> Outcome {
        try shell(
          "bash \(Self.folder)/seeds.sbatch \(words)", path: path,
          environment: job.merging(["SLURM_ARRAY_TASK_COUNT": "\(tasks)"]) { $1 }, in: scratch.path)
      }
      #expect(
        try goesOn(try outcome(tasks: 8, "--max-steps 5"))
          == "--array=3 THIS-FILE --run runs/11-seed-3 --max-steps 5")
      #expect(try goesOn(try outcome(tasks: 1, "--run runs/9-seed-3")) == "--array=3 THIS-FILE --run runs/9-seed-3")
      let refused = try outcome(tasks: 8, "--run runs/9-seed-3")
      #expect(
        refused.status == 64 && refused.errors.contains("names the run of one seed, but this array has 8"),
        "\(refused.errors)")
      let empty = try outcome(tasks: 1, "--max-steps 5 --run")
      #expect(empty.status == 64 && empty.errors.contains("--run without a directory"), "\(empty.errors)")
    }

    @Test("The script passes USR1 to the launcher and ends with the status of the launcher")
    func signal() throws {
      let scratch = try Scratch()
      let path = try cluster(
        scratch,
        srun: "trap 'sleep 0.3; echo signalled; exit 75' USR1; touch \(scratch.path)/ready; while :; do sleep 0.1; done"
      )
      let child = try Child(
        ["bash", Self.folder + "/requeue.sbatch"],
        environment: plainEnvironment.merging(job) { $1 }.merging(["PATH": "\(path):\(binaries):/usr/bin:/bin"]) { $1 },
        directory: scratch.path)
      try #require(child.wait { FileManager.default.fileExists(atPath: scratch.path + "/ready") })
      child.send(SIGUSR1)
      usleep(100_000)
      child.send(SIGUSR1)  // while it waits for the launcher to end
      let outcome = child.wait()
      #expect(outcome.status == 0 && outcome.output.contains("signalled\n"), "\(outcome.errors)")
      #expect(outcome.output.contains("ended with 75") && asked(scratch) == ["requeue 12"])
    }
  }
}
