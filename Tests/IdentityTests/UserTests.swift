import Cryptography
import Domain
import StrongroomTesting
import Testing
import Threads

@testable import Identity

struct UserTests {
    @Test(
        "Names of people", arguments: ["alice@example.com", "A.l-i_c'e!#^~1@b", "a@a-b.c", "x@localhost"])
    func names(_ text: String) throws {
        let name = try #require(UserName(text))
        #expect(name.description == text)
        #expect(UserName(text.uppercased()) == name)
    }

    @Test(
        "What is no name of a person",
        arguments: [
            "", "alice", "@b", "a@", "a@b@c", "a b@c", "a@b..c", ".a@b", "a.@b", "a@.b", "älice@example.com",
            "a@bücher.de",
            "a\n@b", "a@b/c", String(repeating: "a", count: 65) + "@b", "a@" + String(repeating: "b", count: 49),
        ])
    func notNames(_ text: String) { #expect(UserName(text) == nil) }

    @Test(
        "Passwords that may not be chosen",
        arguments: [
            "short", "elevenchars", "aaaaaaaaaaaa", "abababababab", "my name is alice!",
            String(repeating: "ab1-x", count: 60),
        ])
    func weak(_ text: String) throws {
        #expect(PasswordHash.flaw(of: text, for: try #require(UserName("alice@example.com"))) != nil)
    }

    @Test("Passwords that may be chosen", arguments: ["correct horse", "päßwörter überall", "Zwölf Boxkämpfer jagen"])
    func strong(_ text: String) throws {
        #expect(PasswordHash.flaw(of: text, for: try #require(UserName("alice@example.com"))) == nil)
    }

    private func person(_ engine: CryptoEngine, _ name: String, authenticator: SensitiveBytes? = nil) throws -> User {
        var user = User(
            id: GUID(high: 1, low: 1), name: try #require(UserName(name)), displayName: name, created: TestClock.start,
            password: try PasswordHash(of: SensitiveBytes("correct horse".utf8), engine: engine),
            mustChangePassword: false)
        user.authenticator = authenticator.map { Authenticator(secret: $0) }
        return user
    }

    @Test(
        "Right and wrong passwords and codes; ten wrong ones lock every spelling of a name, and tries at once count too"
    )
    func authentication() async throws {
        let engine = try CryptoEngine()
        let pool = WorkPool(name: "test", threads: 2, capacity: 64)
        let secret = SensitiveBytes("12345678901234567890".utf8)
        let directory = Directory([], users: [try person(engine, "alice@example.com", authenticator: secret)])
        let people = try UserAuthentication(directory: directory, engine: engine, pool: pool)
        let now = TestClock.start
        let code = try TimedCode.code(secret, step: TimedCode.step(at: now), engine: engine)
        func ask(_ name: String, _ password: String, _ code: String, _ now: Timestamp = now) async -> String {
            switch await people.authenticate(
                name: name, password: SensitiveBytes(password.utf8), code: code, waker: DirectWaker(), now: now)
            {
            case .user(_, let step): step == TimedCode.step(at: now) ? "in" : "in without a code"
            case .refused: "refused"
            case .locked: "locked"
            case .busy: "busy"
            }
        }
        #expect(await ask(" Alice@EXAMPLE.com ", "correct horse", code) == "in")
        #expect(await ask("alice@example.com", "correct horse", "") == "refused")
        #expect(await ask("alice@example.com", "correct horsf", code) == "refused")
        #expect(await ask("nobody@example.com", "correct horse", code) == "refused")
        let answers = await withTaskGroup(of: String.self) { group in
            for number in 0..<20 {
                group.addTask { await ask(number % 2 == 0 ? "ALICE@example.com" : "alice@example.com", "wrong", code) }
            }
            return await group.reduce(into: [:]) { counts, answer in counts[answer, default: 0] += 1 }
        }
        #expect(answers == ["refused": 8, "locked": 12])
        #expect(await ask("alice@example.com", "correct horse", code) == "locked")
        #expect(await ask("nobody@example.com", "correct horse", code) == "refused")
        let later = now + .minutes(10)
        let fresh = try TimedCode.code(secret, step: TimedCode.step(at: later), engine: engine)
        #expect(await ask("alice@example.com", "correct horse", fresh, later) == "in")
    }
}
