package import Domain
import Identity

/// What a host name stands for.
package enum HostRoute: Sendable, Hashable {
    /// The name when it can be one, and the label as it stood.
    case vault(VaultName?, label: String)
    case managedHSM(VaultName?, label: String)
    case login, management, graph, console
    case unknown

    /// - Parameters:
    ///   - host: lower case, without port.
    ///   - suffix: such as `localhost`.
    package init(_ host: String, suffix: String) {
        guard host.hasSuffix("." + suffix) else {
            self = .unknown
            return
        }
        let labels = host.dropLast(suffix.utf8.count + 1).split(separator: ".", omittingEmptySubsequences: false)
        switch labels.count {
        case 1:
            switch labels[0] {
            case "login": self = .login
            case "management": self = .management
            case "graph": self = .graph
            case "console": self = .console
            default: self = .unknown
            }
        case 2 where labels[1] == "vault" && !labels[0].isEmpty:
            self = .vault(VaultName(labels[0]), label: String(labels[0]))
        case 2 where labels[1] == "managedhsm" && !labels[0].isEmpty:
            self = .managedHSM(VaultName(labels[0]), label: String(labels[0]))
        default: self = .unknown
        }
    }
}

extension HostRoute {
    var kind: Hosts? {
        switch self {
        case .vault: .vault
        case .login: .login
        case .management: .management
        case .graph: .graph
        case .managedHSM: .managedHSM
        case .console, .unknown: nil
        }
    }

    /// Which tokens this host takes; nil where it takes none.
    var resource: Authority.Resource? {
        switch self {
        case .vault: .vault
        case .managedHSM: .managedHSM
        case .management: .management
        case .graph: .graph
        case .login, .console, .unknown: nil
        }
    }

    var style: Response.Style {
        switch self {
        case .vault: .vault
        case .managedHSM: .managedHSM
        case .login, .management, .graph, .console, .unknown: .plain
        }
    }
}
