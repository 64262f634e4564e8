import CLinux
import Synchronization
import Threads

#if canImport(Glibc)
    import Glibc
#endif

/// A program of the operator that the server runs: without a shell, with nothing of the server's environment or files, and not for ever.
struct HookCommand: Sendable {
    /// Absolute.
    let path: String
    private let threads = WorkPool(name: "hook", threads: 2, capacity: 64)
    private static let limit: Duration = .seconds(60)

    init(path: String) { self.path = path }

    /// - Returns: what went wrong, in words; nil for nothing.
    func run(_ arguments: [String]) async -> String? {
        let (path, giveUp) = (path, GiveUp())
        return await withTaskCancellationHandler {
            await threads.run(on: DirectWaker()) { Self.run(path, arguments, giveUp) }
                ?? "too many commands are waiting"
        } onCancel: {
            giveUp.isAsked.store(true, ordering: .relaxed)
        }
    }

    /// Asked for when the server stops.
    private final class GiveUp: Sendable {
        let isAsked = Atomic<Bool>(false)
    }

    private static func run(_ path: String, _ arguments: [String], _ giveUp: GiveUp) -> String? {
        var process = pid_t()
        let status = spawn(path, arguments, &process)
        guard status == 0 else { return "it cannot be run: \(String(cString: strerror(status)))" }
        let clock = ContinuousClock()
        let end = clock.now + limit
        var isKilled = false
        while true {
            var result: Int32 = 0
            let ended = waitpid(process, &result, isKilled ? 0 : WNOHANG)
            if ended == process {
                if isKilled, clock.now <= end { return "it was stopped with the server" }
                if isKilled { return "it took longer than \(limit.components.seconds) seconds" }
                // As <sys/wait.h> has it: the signal in the low bits, the exit status above.
                let signal = result & 0x7F
                guard signal == 0 else { return "signal \(signal) ended it" }
                let code = (result >> 8) & 0xFF
                return code == 0 ? nil : "it ended with status \(code)"
            }
            guard ended == 0 || errno == EINTR else { return "it was lost" }
            if clock.now > end || giveUp.isAsked.load(ordering: .relaxed) {
                kill(-process, SIGKILL)
                isKilled = true
            } else {
                usleep(20_000)
            }
        }
    }

    /// In a process group of its own, with no descriptor but /dev/null in, and ours for errors.
    private static func spawn(_ path: String, _ arguments: [String], _ process: inout pid_t) -> Int32 {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
        strongroom_close_from(&actions, STDERR_FILENO + 1)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        var all = sigset_t()
        sigfillset(&all)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))
        var texts = ([path] + arguments).map { strdup($0) } + [nil]
        var environment = [strdup("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"), nil]
        defer { for text in texts + environment { free(text) } }
        return posix_spawn(&process, path, &actions, &attributes, &texts, &environment)
    }
}
