import Domain
import Operations
import Testing

struct QueryTests {
    private let query = Query([("api-version", "7.4"), ("twice", "1"), ("twice", "2"), ("empty", "")])

    @Test("A value is found by its name")
    func value() throws {
        #expect(try query.value("api-version") == "7.4")
        #expect(try query.value("empty") == "")
        #expect(try query.value("absent") == nil)
    }

    @Test("A name given twice is refused, since readers disagree on which one counts")
    func twice() {
        #expect(throws: VaultError.self) { try query.value("twice") }
    }
}
