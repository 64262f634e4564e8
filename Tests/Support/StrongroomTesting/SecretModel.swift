/// What a vault's secrets are, in a few lines: the measure that the server is held against.
package struct SecretModel: Equatable, Sendable {
    package struct Version: Equatable, Hashable, Comparable, Sendable {
        package var value: String
        package var contentType: String?

        package init(value: String, contentType: String? = nil) {
            (self.value, self.contentType) = (value, contentType)
        }

        package static func < (left: Version, right: Version) -> Bool {
            (left.value, left.contentType ?? "") < (right.value, right.contentType ?? "")
        }
    }

    package struct Secret: Equatable, Sendable {
        package var current: Version
        /// In no order: the service lists versions by their random names.
        package var past: [Version] = []
        package var isDeleted = false

        package init(current: Version, past: [Version] = [], isDeleted: Bool = false) {
            (self.current, self.past, self.isDeleted) = (current, past.sorted(), isDeleted)
        }
    }

    package enum Change: Equatable, Sendable {
        case set(value: String)
        case setContentType(String)
        case delete, recover, purge
        case restore(Secret)
    }

    package private(set) var secrets: [String: Secret] = [:]

    package init(_ secrets: [String: Secret] = [:]) { self.secrets = secrets }

    /// Makes a change, if the service would.
    ///
    /// - Returns: the status that it answers.
    package mutating func apply(_ change: Change, to name: String) -> UInt16 {
        let old = secrets[name]
        switch change {
        case .set(let value):
            guard let old else {
                secrets[name] = Secret(current: Version(value: value))
                return 200
            }
            if old.isDeleted { return 409 }
            secrets[name] = Secret(current: Version(value: value), past: old.past + [old.current])
        case .setContentType(let type):
            guard let old, !old.isDeleted else { return 404 }
            secrets[name]?.current.contentType = type
        case .delete:
            guard let old, !old.isDeleted else { return 404 }
            secrets[name]?.isDeleted = true
        case .recover:
            guard let old, old.isDeleted else { return 404 }
            secrets[name]?.isDeleted = false
        case .purge:
            guard let old, old.isDeleted else { return 404 }
            secrets[name] = nil
            return 204
        case .restore(let secret):
            guard old == nil else { return 409 }
            secrets[name] = secret
        }
        return 200
    }
}
