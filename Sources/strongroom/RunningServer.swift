import Automation
import Barrier
import CLinux
import Cryptography
import Domain
import HTTPServer
import House
import NIOCore
import NIOPosix
import NIOSSL
import Store
import StoreSQLite
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// A house with its door open, until a signal closes it.
struct RunningServer {
    private static let grace: Duration = .seconds(30)

    let house: House
    let server: HTTPServer
    private let group: MultiThreadedEventLoopGroup
    private let automation: Task<Void, Never>
    private let termination: Task<Void, Never>

    /// - Parameters:
    ///   - optional: addresses that the machine may lack.
    static func start(
        _ house: House, tls: NIOSSLContext, addresses: [String], optional: Set<String>, port: Int,
        speaking speech: HTTPServer.Speech = .tls, plainPort: Int? = nil
    ) async throws -> RunningServer {
        // Before anybody is told that the server is ready.
        let termination = Signals.expectTermination()
        Signals.expectHangup {}
        // No core dump may hold what the server holds.
        var none = rlimit(rlim_cur: 0, rlim_max: 0)
        setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
        _ = strongroom_forbid_dumps()
        let group = MultiThreadedEventLoopGroup(numberOfThreads: max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))))
        let server = try house.makeServer(group: group, tls: tls, connections: OpenFiles.connections())
        for address in addresses {
            do {
                _ = try await server.listen(on: [address], port: port, speaking: speech)
                if let plainPort {
                    _ = try await server.listen(on: [address], port: plainPort, speaking: .plain)
                }
            } catch {
                let code = (error as? IOError)?.errnoCode
                if optional.contains(address), code == EADDRNOTAVAIL || code == EAFNOSUPPORT { continue }
                house.close()
                let ports = plainPort.map { "ports \(port) and \($0)" } ?? "port \(port)"
                throw CommandFailure("cannot listen on \(address) \(ports): \(error); choose others")
            }
        }
        for endpoint in house.configuration.privateEndpoints {
            do {
                _ = try await server.listen(
                    on: endpoint.addresses, port: endpoint.port, endpoint: endpoint.name.lowercased())
            } catch {
                house.close()
                throw CommandFailure(
                    "cannot listen on \(endpoint.addresses.joined(separator: ", ")) port \(endpoint.port) for the private endpoint '\(endpoint.name)': \(error); choose others"
                )
            }
        }
        let automation = Task { await house.automation.run() }
        return RunningServer(
            house: house, server: server, group: group, automation: automation, termination: termination)
    }

    /// Waits for SIGTERM or SIGINT, then finishes what is in flight and closes everything.
    func untilSignalled() async throws {
        await termination.value
        await server.stop(grace: Self.grace)
        automation.cancel()
        await automation.value
        house.close()
        try await group.shutdownGracefully()
    }
}

/// Signals arrive on the main thread, which does nothing else: every other thread has them blocked.
enum Signals {
    private static let terminate = Mutex<(@Sendable () -> Void)?>(nil)
    private static let reload = Mutex<(@Sendable () -> Void)?>(nil)

    private static var set: sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in [SIGTERM, SIGINT, SIGHUP] { sigaddset(&set, signal) }
        return set
    }

    /// Before any other thread starts: threads inherit the mask.
    static func block() {
        var set = Self.set
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    /// Waits for signals for ever. A command that waits for none is ended by them, as by default.
    static func serve() -> Never {
        while true {
            var set = Self.set
            var signal: Int32 = 0
            guard sigwait(&set, &signal) == 0 else { continue }
            let handler = signal == SIGHUP ? reload.withLock { $0 } : terminate.withLock { $0 }
            if let handler {
                handler()
            } else {
                exit(128 + signal)
            }
        }
    }

    /// From now on a signal asks for the end instead of being it.
    ///
    /// - Returns: what ends when the first one has come.
    static func expectTermination() -> Task<Void, Never> {
        let (signals, arrived) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingOldest(1))
        terminate.withLock { $0 = { arrived.yield() } }
        return Task { for await _ in signals { return } }
    }

    static func expectHangup(_ reload: @escaping @Sendable () -> Void) { Self.reload.withLock { $0 = reload } }
}

func openStore(_ folder: String, _ options: SQLiteStore.Options) throws -> SQLiteStore {
    do throws(StoreError) {
        return try SQLiteStore(folder: folder, options: options)
    } catch {
        throw CommandFailure("the data folder '\(folder)' cannot be opened: \(error.text)")
    }
}

func openHouse(
    _ configuration: HouseConfiguration, store: SQLiteStore, engine: CryptoEngine, kek: SensitiveBytes,
    initializes source: Barrier.KEKSource? = nil
) async throws -> House {
    do throws(HouseError) {
        return try await House(configuration, store: store, engine: engine, kek: kek, initializes: source)
    } catch {
        throw CommandFailure(error.text)
    }
}
