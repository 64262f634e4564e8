import Audit
import Domain
import Identity
import Operations
import StrongroomTesting
import Testing

/// A run of calls as clients make them: changes, reads, refusals. Whatever the disk does meanwhile, each answer is held against a
/// model of what the server must then hold.
struct Script {
    enum Step: Sendable {
        case change(String, SecretModel.Change)
        case get(String)
        case assignRole, removeRole
        /// By a client that holds a role only between the two steps before.
        case getAsOther(String)
        /// Calls whose answer is always the same.
        case withoutToken, badBody, absent, list, backup(String), batch
    }

    static let names = ["a", "b", "c", "d"]

    static let steps: [Step] = [
        .change("a", .set(value: "a1")), .change("a", .set(value: "a2")), .get("a"), .withoutToken, .getAsOther("a"),
        .change("b", .set(value: "b1")), .change("b", .setContentType("text/plain")), .get("b"), .absent,
        .assignRole, .getAsOther("b"), .change("a", .delete), .get("a"), .change("a", .set(value: "a3")),
        .change("c", .set(value: String(repeating: "c", count: 20_000))), .change("a", .recover), .get("a"),
        .backup("a"),
        .change("b", .delete), .change("b", .purge), .get("b"), .list, .badBody, .change("a", .setContentType("x/y")),
        .change("b", .set(value: "b2")), .removeRole, .getAsOther("a"), .change("c", .delete), .batch,
        .change("d", .set(value: "d1")),
        .change("a", .set(value: "a4")), .get("d"),
    ]

    /// What the server must hold.
    private(set) var model = SecretModel()
    private(set) var hasRole = false
    /// What it may hold instead, when a call had no answer before the process ended.
    private(set) var alternative: (model: SecretModel, hasRole: Bool)?
    /// Calls that were answered with a record.
    private(set) var recorded: Set<GUID> = []
    /// Calls that were told that they could not be served.
    private(set) var unavailable = 0

    let admin: Caller
    let other: Caller
    let house: TestHouse
    /// What is done to the disk meanwhile; stands in every complaint.
    var circumstances: Comment = "nothing is wrong with the disk"
    private let assignment = GUID(high: 7, low: 7)

    init(_ house: TestHouse, other: Client) async throws {
        self.house = house
        admin = try await house.admin()
        self.other = try Caller(other, in: house)
        // Signing asks the store for the key: before the faults begin.
        for caller in [admin, self.other] {
            for resource in [.vault, .management] as [Authority.Resource] { _ = try caller.token(for: resource) }
        }
    }

    /// - Parameter hasStopped: whether the process would be dead by now, so that an answer that could not be served reached nobody.
    mutating func run(until hasStopped: () -> Bool = { false }) async throws {
        for (index, step) in Self.steps.enumerated() {
            let before = circumstances
            circumstances = "step \(index), \(before)"
            try await take(step, hasStopped)
            circumstances = before
            if alternative != nil || hasStopped() { return }
        }
    }

    private mutating func take(_ step: Step, _ hasStopped: () -> Bool) async throws {
        switch step {
        case .change(let name, let change):
            var next = model
            let status = next.apply(change, to: name)
            if note(try await admin.change(name, change), status, hasStopped, orElse: (next, hasRole)) { model = next }
        case .assignRole:
            let response = try await admin.assign(
                Self.secretsUser, to: other.client, at: house.scope(ofVault: "demo"), id: assignment)
            if note(response, 201, hasStopped, orElse: (model, true)) { hasRole = true }
        case .removeRole:
            let response = try await admin.manage(
                .delete, Caller.assignment(assignment, at: house.scope(ofVault: "demo")))
            if note(response, hasRole ? 200 : 404, hasStopped, orElse: (model, false)) { hasRole = false }
        case .get(let name):
            let response = try await admin.get(name)
            if note(response, model.status(of: name), hasStopped) { check(response, name) }
        case .getAsOther(let name):
            let response = try await other.get(name)
            if note(response, hasRole ? model.status(of: name) : 403, hasStopped) { check(response, name) }
        case .withoutToken: _ = note(try await admin.send(.get, "/secrets/a", authorization: .none), 401, hasStopped)
        case .badBody: _ = note(try await admin.send(.put, "/secrets/a", "{"), 400, hasStopped)
        case .absent: _ = note(try await admin.get("absent"), 404, hasStopped)
        case .backup(let name):
            _ = note(try await admin.send(.post, "/secrets/\(name)/backup"), model.status(of: name), hasStopped)
        case .batch:
            _ = note(
                try await admin.send(.post, "/secrets:batchGet", #"{"items":[{"name":"a"},{"name":"absent"}]}"#), 200,
                hasStopped)
        case .list:
            let response = try await admin.send(.get, "/secrets")
            if note(response, 200, hasStopped) {
                let live = model.secrets.filter { !$0.value.isDeleted }.map {
                    "https://demo.vault.localhost:8443/secrets/\($0.key)"
                }
                #expect(response.json["value"].array.compactMap { $0["id"].string } == live.sorted(), circumstances)
            }
        }
    }

    /// - Returns: whether the call was carried out.
    private mutating func note(
        _ response: Response, _ expected: UInt16, _ hasStopped: () -> Bool, orElse next: (SecretModel, Bool)? = nil
    ) -> Bool {
        if response.status >= 500 {
            #expect(response.status == 503, "a fault of the disk is no \(response.status); \(circumstances)")
            unavailable += 1
            if hasStopped() { alternative = next ?? (model, hasRole) }
            return false
        }
        #expect(response.status == expected, circumstances)
        recorded.insert(response.requestID)
        return response.status < 300
    }

    private func check(_ response: Response, _ name: String) {
        #expect(response.json["value"].string == model.secrets[name]?.current.value, circumstances)
    }

    /// Key Vault Secrets User.
    private static let secretsUser = GUID("4633458b-17de-408a-b874-0445c86b69e6")!
}

extension SecretModel {
    func status(of name: String) -> UInt16 { secrets[name].map { $0.isDeleted ? 404 : 200 } ?? 404 }
}

/// The house after the run, opened without faults.
struct Aftermath {
    let house: TestHouse
    let admin: Caller
    let other: Caller

    init(_ folder: TemporaryFolder, other: Client) async throws {
        house = try await TestHouse.open(in: folder)
        admin = try await house.admin()
        self.other = try Caller(other, in: house)
    }

    /// Nothing acknowledged is lost, nothing refused took effect, and the log is whole and tells of every answer.
    func check(_ script: Script, _ circumstances: Comment? = nil) async throws {
        let circumstances = circumstances ?? script.circumstances
        let (report, events) = try house.audit()
        #expect(report.fault == nil, circumstances)
        let missing = script.recorded.subtracting(events.map(\.correlationID))
        #expect(missing.isEmpty, circumstances)

        let model = try await admin.observe(Script.names)
        let status = try await other.get("absent").status
        let hasRole = status == 404
        #expect(status == 404 || status == 403, circumstances)
        let isAsPromised = model == script.model && hasRole == script.hasRole
        let isAlternative = script.alternative.map { model == $0.model && hasRole == $0.hasRole } ?? false
        #expect(isAsPromised || isAlternative, circumstances)

        #expect(try await admin.set("after", "works").status == 200, circumstances)
        #expect(try house.audit().report.fault == nil, circumstances)
    }
}
