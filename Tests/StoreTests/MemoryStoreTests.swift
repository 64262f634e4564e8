import StoreTesting
import Testing

struct MemoryStoreTests {
    @Test("The store in memory keeps the contract", arguments: StoreContract.laws)
    func keepsTheContract(_ law: StoreLaw) throws {
        try law.check(MemoryStore())
    }
}
