import ArgumentParser
import Barrier
import Cryptography
import Domain
import FoundationEssentials
import House
import Operations
import StoreSQLite

/// What the server declares, as it would start with it.
struct ListOperations: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "operations",
        abstract: "Print every operation with route, permission, audit name and api-versions.")

    @Flag(help: "Print JSON.") var json = false

    func run() async throws {
        let operations = try await declared()
        Terminal.print(json ? Self.json(operations) : Self.table(operations))
    }

    /// Builds a house in a temporary folder: the list is that of a real server, not a second one to keep true.
    private func declared() async throws -> [any AnyOperation] {
        let path =
            FileManager.default.temporaryDirectory.path
            + "/strongroom-operations-\(ProcessInfo.processInfo.processIdentifier)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let engine = try CryptoEngine()
        let folder = try DataFolder(creating: path)
        var configuration = HouseConfiguration(folder: folder.path, suffix: "localhost", publicPort: 443)
        configuration.storage.reserveBytes = 0
        let store = try openStore(folder.path, configuration.storage)
        let house = try await openHouse(
            configuration, store: store, engine: engine, kek: try folder.key(create: true, engine: engine),
            initializes: .key)
        defer { house.close() }
        return house.catalog.operations
    }

    private static func versions(_ operation: any AnyOperation) -> [String] {
        operation.since.map { since in APIVersion.allCases.filter { $0 >= since }.map(\.text) } ?? []
    }

    private static func json(_ operations: [any AnyOperation]) -> String {
        var writer = JSONWriter()
        writer.array { list in
            for operation in operations {
                list.object { item in
                    item.member("name", operation.name)
                    item.member("auditName", operation.name)
                    item.member("host", operation.hosts.names.joined(separator: ","))
                    if let method = operation.method {
                        item.member("method", method.rawValue)
                    } else {
                        item.null("method")
                    }
                    item.array("paths") { paths in for path in operation.paths { paths.string(path) } }
                    if let permission = operation.requirement.permission {
                        item.member("permission", permission.action)
                    } else {
                        item.null("permission")
                    }
                    if let since = operation.since { item.member("since", since.text) } else { item.null("since") }
                    item.array("apiVersions") { list in for version in versions(operation) { list.string(version) } }
                    item.member("scheduled", operation.method == nil)
                }
            }
        }
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    private static func table(_ operations: [any AnyOperation]) -> String {
        operations.map { operation in
            let route = operation.method.map {
                "\($0.rawValue) \(operation.hosts.names.joined(separator: ",")):\(operation.paths.joined(separator: " "))"
            }
            return
                "\(operation.name)\n    \(route ?? "scheduled")\n    \(operation.requirement.permission?.action ?? "no permission")"
                + (operation.since.map { "\n    api-version \($0.text) and later" } ?? "")
        }.joined(separator: "\n")
    }
}
