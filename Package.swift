// swift-tools-version: 6.2
import PackageDescription

// The floor plan. A room imports only rooms named in its `on:` list; the build is run with
// `--explicit-target-dependency-import-check error`, so a wall that is crossed does not compile.

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]

func room(_ name: String, on rooms: [String] = [], with products: [Target.Dependency] = []) -> [Target] {
    [.target(name: name, dependencies: rooms.map { .init(stringLiteral: $0) } + products, swiftSettings: settings)]
}

func tests(_ name: String, on rooms: [String], with products: [Target.Dependency] = []) -> [Target] {
    [
        .testTarget(
            name: "\(name)Tests", dependencies: rooms.map { .init(stringLiteral: $0) } + products,
            swiftSettings: settings)
    ]
}

let nio: [Target.Dependency] = [
    .product(name: "NIOCore", package: "swift-nio"),
    .product(name: "NIOPosix", package: "swift-nio"),
    .product(name: "NIOHTTP1", package: "swift-nio"),
    .product(name: "NIOTLS", package: "swift-nio"),
    .product(name: "NIOSSL", package: "swift-nio-ssl"),
]
let nioHTTP2: [Target.Dependency] = [
    .product(name: "NIOHTTP2", package: "swift-nio-http2"), .product(name: "NIOHPACK", package: "swift-nio-http2"),
]
let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

var targets: [Target] = [
    .systemLibrary(name: "CLinux"),
    .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
    .systemLibrary(name: "CLZ4", pkgConfig: "liblz4", providers: [.apt(["liblz4-dev"])]),
    .systemLibrary(name: "CPKCS11", pkgConfig: "p11-kit-1", providers: [.apt(["libp11-kit-dev"])]),
    .systemLibrary(name: "COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
]

// ground
targets += room("Domain")
targets += room("Threads", on: ["CLinux"])
// cellar
targets += room("Store", on: ["Domain"])
targets += room("StoreSQLite", on: ["Domain", "Store", "CSQLite"])
targets += room("Cryptography", on: ["Domain", "COpenSSL"])
targets += room("ProviderOpenSSL", on: ["Domain", "Cryptography", "COpenSSL"])
targets += room("X509", on: ["Domain", "Cryptography", "COpenSSL"])
targets += room("ProviderPKCS11", on: ["Domain", "Threads", "Cryptography", "ProviderOpenSSL", "CPKCS11"])
// walls
targets += room("Barrier", on: ["Domain", "Store", "Cryptography"])
targets += room("Audit", on: ["Domain", "Threads", "Store", "Cryptography", "Barrier", "CLZ4"])
targets += room("Identity", on: ["Domain", "Threads", "Store", "Cryptography", "Barrier"])
targets += room("Access", on: ["Domain", "Store", "Barrier"])
// corridor
targets += room(
    "Operations", on: ["Domain", "Threads", "Store", "Barrier", "Cryptography", "Identity", "Access", "Audit"])
targets += room("WebTokens", on: ["Domain", "Cryptography", "ProviderOpenSSL"])
// living rooms
targets += room("Objects", on: ["Domain", "Store", "Cryptography", "Barrier", "Operations", "Access"])
targets += room("Secrets", on: ["Domain", "Store", "Barrier", "Cryptography", "Operations", "Objects", "Access"])
targets += room(
    "Keys",
    on: [
        "Domain", "Threads", "Store", "Barrier", "Cryptography", "ProviderOpenSSL", "Operations", "Objects", "Access",
        "WebTokens",
    ])
targets += room("Notices", on: ["Domain", "Barrier", "Access", "Operations"])
targets += room(
    "Certificates",
    on: [
        "Domain", "Threads", "Store", "Barrier", "Cryptography", "ProviderOpenSSL", "X509", "Operations", "Objects",
        "Access", "Keys", "Secrets", "Notices",
    ])
targets += room(
    "Authorities",
    on: [
        "Domain", "Store", "Barrier", "Cryptography", "ProviderOpenSSL", "X509", "Operations", "Objects", "Access",
        "Keys", "Certificates",
    ])
targets += room(
    "ACME",
    on: [
        "Domain", "Store", "Barrier", "Cryptography", "ProviderOpenSSL", "X509", "Operations", "Objects", "Access",
        "Keys", "Certificates",
    ])
targets += room(
    "Login",
    on: [
        "Domain", "Threads", "Store", "Cryptography", "ProviderOpenSSL", "Barrier", "Identity", "Operations",
        "WebTokens",
    ])
targets += room("Graph", on: ["Domain", "Threads", "Store", "Barrier", "Identity", "Operations"])
targets += room(
    "Management",
    on: [
        "Domain", "Threads", "Store", "Barrier", "Cryptography", "X509", "Operations", "Identity", "Access", "Audit",
        "Objects",
    ])
targets += room(
    "Pools",
    on: [
        "Domain", "Threads", "Store", "Barrier", "Cryptography", "ProviderOpenSSL", "X509", "Operations", "Objects",
        "Access", "Keys", "Management",
    ])
// outside
targets += room("HTTPSClient", on: ["Domain"], with: nio)
targets += room("Agent", on: ["Domain", "Cryptography", "HTTPSClient"], with: nio)
targets += room("SMTPClient", on: ["Domain", "HTTPSClient"], with: nio)
// doors
targets += room("HTTPServer", on: ["Domain", "Threads", "Operations", "Cryptography"], with: nio + nioHTTP2)
targets += room("Automation", on: ["Domain", "Threads", "Store", "Barrier", "Operations"])
// top
targets += room(
    "House",
    on: [
        "CLinux", "Domain", "Threads", "Store", "StoreSQLite", "Cryptography", "Barrier", "Audit", "Identity", "Access",
        "Operations",
        "Objects", "Secrets", "Keys", "Notices", "Certificates", "Authorities", "ACME", "Login", "Management",
        "Pools", "Graph", "WebTokens", "HTTPServer",
        "Automation",
        "ProviderOpenSSL",
        "ProviderPKCS11", "HTTPSClient", "SMTPClient",
    ], with: nio)
targets += [
    .executableTarget(
        name: "strongroom",
        dependencies: [
            "CLinux", "Domain", "Threads", "Store", "StoreSQLite", "Cryptography", "Barrier", "Audit", "Access",
            "Identity", "Management", "Pools",
            "Operations", "HTTPServer", "Automation", "House", "Keys", "ProviderPKCS11", "HTTPSClient", "ACME",
            "SMTPClient", "WebTokens", "X509", "Agent",
        ] + nio + [argumentParser],
        swiftSettings: settings)
]

// what tests stand on: a disk that fails on demand, the store's contract, a whole house in a temporary folder
func support(_ name: String, on rooms: [String]) -> [Target] {
    [
        .target(
            name: name, dependencies: rooms.map { .init(stringLiteral: $0) }, path: "Tests/Support/\(name)",
            swiftSettings: settings)
    ]
}
targets += [.target(name: "CFaultDisk", dependencies: ["CSQLite"], path: "Tests/Support/CFaultDisk")]
targets += support("StoreTesting", on: ["Domain", "Threads", "Store"])
targets += support(
    "StrongroomTesting",
    on: [
        "CFaultDisk", "Domain", "Threads", "Store", "StoreSQLite", "Cryptography", "Barrier", "Audit", "Identity",
        "Access", "Operations",
        "House",
    ])
targets += tests("Domain", on: ["Domain"])
targets += tests("Threads", on: ["Threads"])
targets += tests("Store", on: ["Store", "StoreTesting"])
targets += tests("Cryptography", on: ["Domain", "Cryptography", "StrongroomTesting"])
targets += tests("Barrier", on: ["Domain", "Store", "StoreTesting", "Cryptography", "Barrier"])
targets += tests(
    "Audit",
    on: [
        "Domain", "Threads", "Store", "StoreSQLite", "StoreTesting", "Cryptography", "Barrier", "Audit",
        "StrongroomTesting",
    ])
targets += tests(
    "Identity",
    on: ["Domain", "Threads", "Store", "StoreTesting", "Cryptography", "Barrier", "Identity", "StrongroomTesting"])
targets += tests("Access", on: ["Domain", "Store", "Barrier", "Access", "StrongroomTesting"])
targets += tests(
    "Operations",
    on: ["Domain", "Store", "Barrier", "Audit", "Identity", "Operations", "House", "StrongroomTesting"])
targets += tests("StoreSQLite", on: ["Domain", "Store", "StoreSQLite", "CSQLite", "StoreTesting", "StrongroomTesting"])
targets += tests(
    "House",
    on: [
        "Domain", "Threads", "Store", "StoreSQLite", "StoreTesting", "Cryptography", "Barrier", "Audit", "Identity",
        "Access", "Operations", "Management", "House", "StrongroomTesting",
    ])
targets += tests("Secrets", on: ["Domain", "Audit", "Store", "Operations", "House", "StrongroomTesting"])
targets += tests(
    "ProviderContract", on: ["Domain", "Cryptography", "ProviderOpenSSL", "ProviderPKCS11", "StrongroomTesting"])
targets += tests("ProviderOpenSSL", on: ["Domain", "Cryptography", "ProviderOpenSSL", "StrongroomTesting"])
targets += tests("X509", on: ["Domain", "Cryptography", "ProviderOpenSSL", "X509"])
targets += tests(
    "ProviderPKCS11",
    on: ["CPKCS11", "Domain", "Cryptography", "ProviderOpenSSL", "ProviderPKCS11", "StrongroomTesting"])
targets += tests(
    "Objects",
    on: [
        "Domain", "Store", "StoreTesting", "Cryptography", "Barrier", "Operations", "Objects", "StrongroomTesting",
    ])
targets += tests(
    "Keys",
    on: [
        "Domain", "Audit", "Store", "Barrier", "Cryptography", "ProviderOpenSSL", "ProviderPKCS11", "Identity",
        "Operations", "Objects", "Keys", "Automation", "House", "StrongroomTesting",
    ])
targets += tests("Pools", on: ["Domain", "Cryptography", "ProviderOpenSSL", "X509", "Pools", "StrongroomTesting"])
targets += tests("ACME", on: ["Domain", "ACME"])
targets += tests("SMTPClient", on: ["Domain", "SMTPClient"])
targets += tests("Certificates", on: ["Domain", "Operations", "Certificates"])
targets += tests("Login", on: ["Domain", "Audit", "Operations", "House", "StrongroomTesting"])
targets += tests(
    "Management", on: ["Domain", "Audit", "Identity", "Access", "Operations", "House", "StrongroomTesting"])
targets += tests("HTTPServer", on: ["Domain", "Operations", "HTTPServer"], with: nio)
targets += tests(
    "Automation",
    on: [
        "Domain", "Store", "StoreSQLite", "Audit", "Identity", "Operations", "Automation", "House", "StrongroomTesting",
    ])

let package = Package(
    name: "strongroom",
    products: [.executable(name: "strongroom", targets: ["strongroom"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl.git", from: "2.37.0"),
        .package(url: "https://github.com/apple/swift-nio-http2.git", from: "1.46.0"),
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.0"),
    ],
    targets: targets
)
