import ArgumentParser

#if canImport(Glibc)
    import Glibc
#endif

/// The executable: one command line for the server and for those who look after it.
struct Strongroom: AsyncParsableCommand {
    static let version = "0.1.0"

    static let configuration = CommandConfiguration(
        commandName: "strongroom",
        abstract: "A key-management server that speaks Azure Key Vault.",
        version: version,
        subcommands: [
            Dev.self, Serve.self, AgentCommand.self, Init.self, App.self, UserCommand.self, Group.self, Role.self,
            AccessCommand.self, Audit.self,
            BarrierCommand.self,
            BackupKey.self,
            Key.self, CertificateCommand.self, Authority.self,
            ListOperations.self,
        ])
}

@main
enum Main {
    static func main() {
        // Before any other thread starts, so that all of them leave signals to this one.
        Signals.block()
        // A client that hangs up while it is written to must not end the process.
        signal(SIGPIPE, SIG_IGN)
        Task.detached { exit(await run()) }
        Signals.serve()
    }

    /// Errors are one line on standard error that says what to do; the status tells what kind it was.
    private static func run() async -> Int32 {
        do {
            var command = try Strongroom.parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
            return 0
        } catch let failure as CommandFailure {
            Terminal.error(failure.text)
            return failure.status
        } catch let code as ExitCode {
            // The command has said what there is to say.
            return code.rawValue
        } catch {
            let status = Strongroom.exitCode(for: error)
            guard status != .success else {
                Terminal.print(Strongroom.fullMessage(for: error))
                return 0
            }
            let text = Strongroom.message(for: error)
            Terminal.error(text.isEmpty ? "\(error)" : text + "; see 'strongroom --help'")
            return status == .validationFailure ? CommandFailure.usage : status.rawValue
        }
    }
}

/// Why a command ended without doing its work.
struct CommandFailure: Error {
    static let usage: Int32 = 64
    static let configuration: Int32 = 78

    let text: String
    let status: Int32

    init(_ text: String, status: Int32 = 1) { (self.text, self.status) = (text, status) }

    static func configuration(_ text: String) -> CommandFailure { CommandFailure(text, status: configuration) }
    static func usage(_ text: String) -> CommandFailure { CommandFailure(text, status: usage) }
}

enum Terminal {
    static func print(_ text: String) {
        var rest = Array((text + "\n").utf8)[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            guard written > 0 else { return }
            rest = rest.dropFirst(written)
        }
    }

    static func error(_ text: String) {
        let line = text.split(whereSeparator: \.isNewline).joined(separator: " ")
        let bytes = Array("strongroom: \(line)\n".utf8)
        write(STDERR_FILENO, bytes, bytes.count)
    }
}
