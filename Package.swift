// swift-tools-version: 6.2
import PackageDescription

// Targets stand bottom up: a target may use those above it that it depends on, directly or through others, and never
// those below. The build of scripts/test refuses any other import.

let swift: [SwiftSetting] = [.swiftLanguageMode(.v6)]

let package = Package(
  name: "vae-dist",
  products: [.executable(name: "vae-dist", targets: ["vae-dist"])],
  traits: [.trait(name: "Service", description: "vae-dist serve: scores, codes and samples over HTTP.")],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
    .package(url: "https://github.com/apple/swift-nio-extras", from: "1.34.1"),
    .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0", traits: []),
    .package(url: "https://github.com/apple/swift-log", from: "1.14.0"),
  ],
  targets: [
    // System libraries
    .systemLibrary(name: "CMPI", pkgConfig: "mpi", providers: [.apt(["libopenmpi-dev"])]),
    .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),
    .systemLibrary(name: "CTurboJPEG", pkgConfig: "libturbojpeg", providers: [.apt(["libturbojpeg0-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "CZip", pkgConfig: "libzip", providers: [.apt(["libzip-dev"])]),
    .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),

    // C: what must be vectorised, and what Swift needs of MPI
    .target(name: "CMPIShim", dependencies: ["CMPI"], cSettings: [.unsafeFlags(["-O2", "-Wall", "-Wextra"])]),
    .target(
      name: "CKernels",
      cSettings: [.unsafeFlags(["-O3", "-fno-math-errno", "-fno-trapping-math", "-Wall", "-Wextra"])]),

    // Engine
    .target(name: "Kernels", dependencies: ["CKernels", "COpenBLAS", "CCrypto"], swiftSettings: swift),
    .target(name: "Settings", dependencies: ["Kernels"], swiftSettings: swift),
    .target(name: "Optimizers", dependencies: ["Settings"], swiftSettings: swift),
    .target(name: "Autograd", dependencies: ["Kernels"], swiftSettings: swift),
    .target(name: "Layers", dependencies: ["Autograd"], swiftSettings: swift),
    .target(name: "VAE", dependencies: ["Layers", "Settings"], swiftSettings: swift),

    // Around it
    .target(
      name: "Data", dependencies: ["Kernels", "CPNG", "CTurboJPEG", "CZlib", "CZip"],
      exclude: ["BuiltIn/Digits/ATTRIBUTION.md", "BuiltIn/Digits/generate.py"], swiftSettings: swift),
    .target(name: "Communication", dependencies: ["CMPIShim", "Kernels"], swiftSettings: swift),
    .target(name: "Persistence", dependencies: ["Kernels"], swiftSettings: swift),
    .target(name: "ONNX", dependencies: ["Autograd", "Persistence"], swiftSettings: swift),
    .target(
      name: "RunConfiguration",
      dependencies: [
        "VAE", "Optimizers", "Data", "Communication", "Persistence", .product(name: "Yams", package: "Yams"),
      ],
      swiftSettings: swift),
    .target(
      name: "Training",
      dependencies: ["RunConfiguration", "VAE", "Optimizers", "Data", "Communication", "Persistence"],
      swiftSettings: swift),
    // These three do not need each other, so that they are built side by side.
    .target(name: "Evaluation", dependencies: ["Training", "ONNX"], swiftSettings: swift),
    .target(name: "Benchmarks", dependencies: ["Training"], swiftSettings: swift),
    .target(name: "Reporting", dependencies: ["Training", "CPNG"], swiftSettings: swift),
    .target(name: "Results", dependencies: ["Evaluation", "Reporting"], swiftSettings: swift),
    .target(
      name: "Service",
      dependencies: [
        "Evaluation",
        .product(name: "HummingbirdCore", package: "hummingbird", condition: .when(traits: ["Service"])),
        .product(name: "NIOCore", package: "swift-nio", condition: .when(traits: ["Service"])),
        .product(name: "NIOPosix", package: "swift-nio", condition: .when(traits: ["Service"])),
        .product(name: "NIOHTTPTypes", package: "swift-nio-extras", condition: .when(traits: ["Service"])),
        .product(name: "HTTPTypes", package: "swift-http-types", condition: .when(traits: ["Service"])),
        .product(name: "Logging", package: "swift-log", condition: .when(traits: ["Service"])),
      ],
      swiftSettings: swift),
    // The commands have no loops over data, and are compiled in half of the time without optimisation.
    .executableTarget(
      name: "vae-dist",
      dependencies: [
        "Results", "Benchmarks", .target(name: "Service", condition: .when(traits: ["Service"])),
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: swift + [.unsafeFlags(["-Onone"])]),

    // Tests
    .target(
      name: "TestSupport", dependencies: ["Kernels", "CZlib", "CTurboJPEG"], path: "Tests/TestSupport",
      swiftSettings: swift),
    .testTarget(name: "KernelsTests", dependencies: ["Kernels", "TestSupport"], swiftSettings: swift),
    .testTarget(name: "AutogradTests", dependencies: ["Autograd"], swiftSettings: swift),
    .target(
      name: "CAllocationCounter", path: "Tests/CAllocationCounter",
      cSettings: [.unsafeFlags(["-O2", "-Wall", "-Wextra"])]),
    .target(
      name: "CMessageRecorder", dependencies: ["CMPI"], path: "Tests/CMessageRecorder",
      cSettings: [.unsafeFlags(["-O2", "-Wall", "-Wextra"])]),
    .target(name: "CSlowDisk", path: "Tests/CSlowDisk", cSettings: [.unsafeFlags(["-O2", "-Wall", "-Wextra"])]),
    .executableTarget(
      name: "RankProbe",
      dependencies: ["Results", "Benchmarks", "CMPIShim", "CAllocationCounter", "CMessageRecorder", "CSlowDisk"],
      path: "Tests/RankProbe",
      swiftSettings: swift),
    .testTarget(name: "CommandTests", dependencies: ["vae-dist", "TestSupport"], swiftSettings: swift),
    .testTarget(name: "DataTests", dependencies: ["Data", "TestSupport"], swiftSettings: swift),
    .testTarget(name: "LayersTests", dependencies: ["Layers"], swiftSettings: swift),
    .testTarget(
      name: "VAETests", dependencies: ["VAE", "Optimizers", "Training", "Persistence", "TestSupport"],
      swiftSettings: swift),
    .testTarget(name: "CommunicationTests", dependencies: ["Communication"], swiftSettings: swift),
    .testTarget(
      name: "PersistenceTests", dependencies: ["ONNX"], exclude: ["Fixtures"], swiftSettings: swift),
    .testTarget(
      name: "TrainingTests", dependencies: ["Benchmarks", "Persistence", "TestSupport"], swiftSettings: swift),
    .testTarget(name: "EvaluationTests", dependencies: ["Evaluation", "TestSupport"], swiftSettings: swift),
    .testTarget(name: "ExtensionTests", dependencies: ["RunConfiguration", "TestSupport"], swiftSettings: swift),
    .testTarget(name: "ServiceTests", dependencies: ["Service", "TestSupport"], swiftSettings: swift),
    .testTarget(name: "ReportingTests", dependencies: ["Results", "TestSupport"], swiftSettings: swift),
  ]
)
