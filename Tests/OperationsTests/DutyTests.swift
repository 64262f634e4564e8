import Barrier
import Domain
import Operations
import Store
import StrongroomTesting
import Testing

struct DutyTests {
    private func duty(_ id: String, at seconds: Int64) -> Duty {
        Duty(
            due: Timestamp(epochSeconds: seconds), id: id, operation: "SecretPurgeIfDue", vault: VaultName("demo"),
            parameters: ["secret-name": "A"])
    }

    @Test("A duty's key is its second and its name, so that what is due first comes first")
    func keys() {
        #expect(duty("x", at: 0).key == "due/0000000000000000/x")
        #expect(duty("x", at: 255).key == "due/00000000000000ff/x")
        let keys = [0, 1, 15, 16, 1_800_000_000, 253_402_300_799].map { duty("x", at: $0).key }
        #expect(keys == keys.sorted())
    }

    @Test("A duty that is put off is the same at another time, and counts how often it was")
    func postponed() {
        var expected = duty("x", at: 20)
        expected.failures = 1
        let later = duty("x", at: 10).postponed(to: Timestamp(epochSeconds: 20))
        #expect(later == expected)
        expected = duty("x", at: 30)
        expected.failures = 2
        #expect(later.postponed(to: Timestamp(epochSeconds: 30)) == expected)
    }
}
