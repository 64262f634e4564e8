import Access
import Domain
import Objects
import Operations

struct BatchGetSecrets: OperationInput {
    static let mostItems = 100

    struct Item: Sendable {
        let name: String
        let version: String?
    }

    let items: [Item]

    init(_ request: Request) throws(VaultError) {
        struct Body: Decodable {
            struct Item: Decodable {
                let name: String
                let version: String?
            }
            let items: [Item]
        }
        items = try Body.fromJSON(request.body).items.map { Item(name: $0.name, version: $0.version) }
        guard (1...Self.mostItems).contains(items.count) else {
            throw .badParameter("The member 'items' must hold 1 to \(Self.mostItems) items.")
        }
    }
}

/// One result for each item, in the order asked.
struct SecretBatch: OperationOutput {
    struct Item: Sendable {
        let name: String
        let result: Result<SecretBundle, VaultError>
    }

    let items: [Item]

    func response(_ call: Call) -> Response {
        .json { batch in
            batch.array("value") { batch in
                for item in items {
                    batch.object { writer in
                        writer.member("name", item.name)
                        switch item.result {
                        case .success(let bundle):
                            writer.member("status", 200)
                            writer.object("secret") { bundle.write(to: &$0, call.apiVersion) }
                        case .failure(let error):
                            writer.member("status", Int(error.answer.status))
                            error.writeBody(to: &writer)
                        }
                    }
                }
            }
        }
    }
}

extension Secrets {
    /// Up to 100 secrets in one call, each authorised and recorded by itself. An addition to the reference.
    func batchGet(_ input: BatchGetSecrets, _ call: Call) async throws(VaultError) -> SecretBatch {
        let vault = try call.vault()
        var items: [SecretBatch.Item] = []
        for item in input.items {
            var grant: Grant?
            do throws(VaultError) {
                let (name, version) = try Self.identify(item)
                let granted = try call.authorize(.secretsGet, on: name, in: "secrets")
                grant = granted
                let bundle = try bundle(name, version, call)
                items.append(.init(name: item.name, result: .success(bundle)))
            } catch {
                if case .integrity(let record)? = error.cause { call.noteAlarm(record: record) }
                items.append(.init(name: item.name, result: .failure(error)))
            }
            guard let result = items.last?.result else { continue }
            let (status, description): (UInt16, String) =
                switch result {
                case .success: (200, "")
                case .failure(let error): (error.answer.status, error.message)
                }
            call.note(
                itemNamed: "SecretGet", objectID: "https://\(vault.authority)/secrets/\(item.name.prefix(127))",
                status: status,
                description: description, grant: grant)
        }
        return SecretBatch(items: items)
    }

    private static func identify(_ item: BatchGetSecrets.Item) throws(VaultError) -> (ObjectName, ObjectVersion?) {
        guard let name = ObjectName(item.name) else {
            throw .badParameter("The item has an invalid name: \(item.name.prefix(128))")
        }
        guard let text = item.version, !text.isEmpty else { return (name, nil) }
        guard let version = ObjectVersion(text) else {
            throw .badParameter("The item has an invalid version: \(text.prefix(128))")
        }
        return (name, version)
    }
}
