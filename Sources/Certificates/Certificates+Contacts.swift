import Barrier
import Domain
import FoundationEssentials
import Objects
import Operations

/// Who is told of a certificate's end. One set for a vault.
struct Contacts: Codable, Sendable {
    struct Contact: Codable, Sendable {
        let email: String?
        let name: String?
        let phone: String?
    }

    let contacts: [Contact]

    func validate() throws(VaultError) {
        guard contacts.count <= 100 else { throw .invalid("contacts", "there are more than 100") }
        for contact in contacts {
            guard let email = contact.email, (3...320).contains(email.utf8.count), email.contains("@"),
                !email.unicodeScalars.contains(where: { $0.value <= 0x20 || $0.value == 0x7F })
            else { throw .invalid("contacts.email", "it is not an address") }
            guard (contact.name ?? "").utf16.count <= 256, (contact.phone ?? "").utf16.count <= 64 else {
                throw .invalid("contacts", "a name or phone is too long")
            }
        }
    }
}

struct SetContacts: OperationInput {
    let contacts: Contacts

    init(_ request: Request) throws(VaultError) {
        contacts = try Contacts.fromJSON(request.body)
        try contacts.validate()
    }
}

struct ContactsOutput: OperationOutput {
    let contacts: Contacts
    let vault: Vault

    func response(_ call: Call) -> Response {
        .json { document in
            document.member("id", vault.url(of: "certificates") + "contacts")
            document.array("contacts") { list in
                for contact in contacts.contacts {
                    list.object { entry in
                        if let email = contact.email { entry.member("email", email) }
                        if let name = contact.name { entry.member("name", name) }
                        if let phone = contact.phone { entry.member("phone", phone) }
                    }
                }
            }
        }
    }
}

extension Certificates {
    private func key(_ vault: Vault) -> String { vault.keyPrefix + "certificate-contacts" }

    /// Nil when there are none.
    func contacts(of vault: Vault, in reader: any RecordReader) throws(VaultError) -> Contacts? {
        guard let bytes = try reader.record(at: key(vault)) else { return nil }
        guard bytes.first == 1, let contacts = try? JSONDecoder().decode(Contacts.self, from: Data(bytes.dropFirst()))
        else { throw .integrity(record: key(vault)) }
        return contacts.contacts.isEmpty ? nil : contacts
    }

    private func contacts(_ vault: Vault, in reader: any RecordReader) throws(VaultError) -> Contacts {
        guard let contacts = try contacts(of: vault, in: reader) else {
            throw VaultError(.contactsNotFound, "Contacts not found.")
        }
        return contacts
    }

    /// - Source: Azure REST "Get Certificate Contacts".
    func getContacts(_ input: NoInput, _ call: Call) async throws(VaultError) -> ContactsOutput {
        let vault = try call.vault()
        return ContactsOutput(contacts: try contacts(vault, in: call.lane.reader), vault: vault)
    }

    /// - Source: Azure REST "Set Certificate Contacts".
    func setContacts(_ input: SetContacts, _ call: Call) async throws(VaultError) -> ContactsOutput {
        let vault = try call.vault()
        guard let bytes = try? JSONEncoder().encode(input.contacts) else { throw .internal("contacts not encoded") }
        let key = key(vault)
        try await call.commit { transaction throws(VaultError) in
            try transaction.put([1] + Array(bytes), at: key, in: vault.sealDomain)
        }
        return ContactsOutput(contacts: input.contacts, vault: vault)
    }

    /// - Source: Azure REST "Delete Certificate Contacts".
    func deleteContacts(_ input: NoInput, _ call: Call) async throws(VaultError) -> ContactsOutput {
        let vault = try call.vault()
        let key = key(vault)
        let removed = try await call.commit { transaction throws(VaultError) in
            let removed = try contacts(vault, in: transaction)
            try transaction.remove(key)
            return removed
        }
        return ContactsOutput(contacts: removed, vault: vault)
    }
}
