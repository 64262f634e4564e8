import Barrier
import Certificates
import Cryptography
import Domain
import Keys
import Operations
import ProviderOpenSSL
import X509

/// One step of an order. What it leaves is written before the next one begins; each is safe to repeat.
struct ACMEStep: Sendable {
    let acme: ACME
    let directory: ACMESettings.Directory
    let external: ACME.External?
    let order: IssuerOrder
    let state: ACMEOrder
    let call: Call

    typealias Alongside = @Sendable (Transaction) throws(VaultError) -> Void

    var client: ACMEClient {
        ACMEClient(directory: directory, exchange: acme.exchange, memory: acme.memory)
    }

    func outcome() async throws(VaultError) -> IssuerOutcome {
        let record = try ACMEAccount.record(
            order.vault, directory: directory.address, external: external, engine: acme.engine)
        let account = try call.lane.reader.record(at: record).map { bytes throws(VaultError) in
            try ACMEAccount(bytes, at: record)
        }
        let refused: (String, String)
        do throws(ACMEFailure) {
            guard let account else { return try await firstKey(record) }
            return try await advance(account, record)
        } catch {
            switch error {
            case .fault(let error): throw error
            case .refused(let code, let reason): refused = (code, reason)
            case .accountGone:
                // An order belongs to its account: both are begun anew.
                var forgotten = account
                forgotten?.address = nil
                let (bytes, vault) = (forgotten?.encoded(), order.vault)
                var anew = ACMEOrder(identifier: call.lane.newGUID(), begun: Timestamp(epochSeconds: state.begun))
                anew.losses = state.losses + 1
                let removal = acme.removal(of: state, order.vault, at: call.now)
                return try go(anew, after: ACMEOrder.retryDelay(after: state.losses)) {
                    transaction throws(VaultError) in
                    try removal(transaction)
                    if let bytes { try transaction.put(bytes, at: record, in: vault.sealDomain) }
                }
            case .noAccount:
                // Another order found that the authority had forgotten it. The key is the same, so what was ordered may still stand.
                var next = state.at(.account)
                next.resume = state.stage
                return try go(next)
            case .later(let text, let delay):
                guard call.now - Timestamp(epochSeconds: state.begun) < ACMEOrder.mostTime else {
                    refused = ("Request timed out", "The order was not done within a week. \(text)")
                    break
                }
                var next = state
                next.failures += 1
                let time = call.now + (delay ?? ACMEOrder.retryDelay(after: state.failures))
                return .waiting(
                    until: time, details: "\(state.stage.text) \(text) The next try is at \(time.iso8601).",
                    state: try next.encoded(), alongside: { _ in })
            }
        }
        return .failed(
            code: refused.0, reason: refused.1, alongside: acme.removal(of: state, order.vault, at: call.now))
    }

    private func go(_ next: ACMEOrder, after delay: Duration = .zero, _ alongside: @escaping Alongside = { _ in })
        throws(VaultError) -> IssuerOutcome
    {
        .waiting(until: call.now + delay, details: next.stage.text, state: try next.encoded(), alongside: alongside)
    }

    private func proceed(_ next: ACMEOrder, after delay: Duration = .zero, _ alongside: @escaping Alongside = { _ in })
        throws(ACMEFailure) -> IssuerOutcome
    {
        do throws(VaultError) { return try go(next, after: delay, alongside) } catch { throw .fault(error) }
    }

    private func advance(_ account: ACMEAccount, _ record: String) async throws(ACMEFailure) -> IssuerOutcome {
        switch state.stage {
        case .account: return try await register(account, record)
        case .order: return try await place(account)
        case .challenges: return try await choose(account)
        case .publish: return try await publish()
        case .answer: return try await answer(account)
        case .check: return try await check(account)
        case .finalise: return try await finalise(account)
        case .fetch: return try await fetch(account)
        }
    }

    // MARK: Asking

    private func sign(_ account: ACMEAccount) -> ACMEClient.Sign {
        { text throws(ACMEFailure) in
            do throws(VaultError) {
                let software = acme.work.software
                return try await acme.work.use(account.key, account.identifier, for: .sign, call) {
                    key throws(CryptoError) in
                    try key.sign(software.digest(text, .sha256), .ecdsa(.p256))
                }
            } catch { throw .fault(error) }
        }
    }

    private func ask(_ account: ACMEAccount, _ address: String, _ payload: [UInt8]? = nil) async throws(ACMEFailure)
        -> ACMEExchange.Answer
    {
        guard let kid = account.address else { throw .noAccount }
        return try await client.post(address, payload, from: .account(kid), at: call.now, sign: sign(account))
    }

    private func required(_ address: String?) throws(ACMEFailure) -> String {
        guard let address else { throw .fault(.internal("an ACME order lacks an address")) }
        return address
    }

    private func readOrder(_ account: ACMEAccount) async throws(ACMEFailure) -> (OrderMessage, Duration?) {
        let answer = try await ask(account, try required(state.address))
        let message: OrderMessage = try ACMEClient.decode(answer.body)
        if message.status == "invalid" {
            throw .refused(
                code: "Request rejected", "The authority ended the order: \(message.error?.text ?? "no reason given").")
        }
        return (message, answer.retryAfter.flatMap { RetryAfter.parse($0, at: call.now) })
    }

    // MARK: The account

    /// The key is on record before the authority sees it.
    private func firstKey(_ record: String) async throws(ACMEFailure) -> IssuerOutcome {
        do throws(VaultError) {
            let identifier = call.lane.newVersion()
            let material = try await acme.work.make(.ec(.p256), .ec, call) { provider throws(CryptoError) in
                try provider.generate(
                    .ec(.p256), publicExponent: 65_537, id: identifier.bytes, isExportable: false)
            }
            let key = KeyVersion(
                type: .ec, operations: [.sign], material: material, origin: .generated, isManaged: true)
            let (bytes, domain) = (ACMEAccount(identifier: identifier, key: key).encoded(), order.vault.sealDomain)
            return try go(state) { transaction throws(VaultError) in
                // Two first orders at once: the account of one serves both.
                guard try transaction.record(at: record) == nil else { return }
                try transaction.put(bytes, at: record, in: domain)
            }
        } catch { throw .fault(error) }
    }

    /// RFC 8555 §7.3. An authority that knows the key already answers with the account that it has.
    private func register(_ account: ACMEAccount, _ record: String) async throws(ACMEFailure) -> IssuerOutcome {
        var next = state.at(state.resume ?? .order)
        next.resume = nil
        guard account.address == nil else { return try proceed(next) }
        let addresses = try await client.addresses(at: call.now)
        if addresses.meta?.externalAccountRequired == true, external == nil {
            throw .refused(
                code: "Certificate issuer error",
                "The authority wants external account binding: give the issuer an account_id and a pwd.")
        }
        let binding: [UInt8]?
        do throws(VaultError) {
            binding = try external.map { external throws(VaultError) in
                try ACMESignature.binding(
                    of: account.key.material.publicKey, to: external.identifier, external.key,
                    address: addresses.newAccount, engine: acme.engine)
            }
        } catch { throw .fault(error) }
        let emails = order.account.emails
        var json = JSONWriter()
        json.object { json in
            json.member("termsOfServiceAgreed", true)
            if !emails.isEmpty {
                json.array("contact") { list in for email in emails { list.string("mailto:" + email) } }
            }
            if let binding { json.embed("externalAccountBinding", binding) }
        }
        let answer = try await client.post(
            addresses.newAccount, json.bytes, from: .key(account.key.material.publicKey), at: call.now,
            sign: sign(account))
        guard let address = answer.location, address.hasPrefix("https://"), address.utf8.count <= 2_048 else {
            throw .later("The authority made an account and did not say where.")
        }
        var known = account
        known.address = address
        let (bytes, domain) = (known.encoded(), order.vault.sealDomain)
        return try proceed(next) { transaction throws(VaultError) in
            try transaction.put(bytes, at: record, in: domain)
        }
    }

    // MARK: The order

    /// RFC 8555 §7.4.
    private func place(_ account: ACMEAccount) async throws(ACMEFailure) -> IssuerOutcome {
        let identifiers = try identifiers()
        var json = JSONWriter()
        json.object { json in
            json.array("identifiers") { list in
                for identifier in identifiers {
                    list.object {
                        $0.member("type", identifier.kind.rawValue)
                        $0.member("value", identifier.value)
                    }
                }
            }
        }
        let address = try await client.addresses(at: call.now).newOrder
        let answer = try await ask(account, address, json.bytes)
        let message: OrderMessage = try ACMEClient.decode(answer.body)
        guard let location = answer.location, location.hasPrefix("https://") else {
            throw .later("The authority made an order and did not say where.")
        }
        guard (1...100).contains(message.authorizations.count) else {
            throw .later("The authority asks for \(message.authorizations.count) authorizations.")
        }
        var next = state.at(.challenges)
        next.address = location
        next.authorizations = message.authorizations
        next.finalize = message.finalize
        return try proceed(next)
    }

    /// The names of the certificate: a common name that is one of a host counts too.
    private func identifiers() throws(ACMEFailure) -> [Identifier] {
        let content = order.content
        guard content.emails.isEmpty, content.principalNames.isEmpty, content.uris.isEmpty else {
            throw .refused(
                code: "Request rejected",
                "ACME authorities certify DNS names and addresses only, not e-mail, UPN or URI names.")
        }
        var found: [Identifier] = content.addresses.map { Identifier(kind: .ip, value: $0) }
        let names = acme.requested(content).dnsNames
        for name in names {
            let identifier = Identifier(kind: .dns, value: name.lowercased())
            if !found.contains(identifier) { found.append(identifier) }
        }
        guard (1...100).contains(found.count) else {
            throw .refused(
                code: "Request rejected",
                "An ACME authority wants 1 to 100 DNS names or addresses; the policy has \(found.count).")
        }
        return found
    }

    // MARK: Challenges

    /// Reads what the authority wants and chooses how it is shown (RFC 8555 §7.5).
    private func choose(_ account: ACMEAccount) async throws(ACMEFailure) -> IssuerOutcome {
        var next = state.at(.answer)
        next.challenges = []
        let identifiers = try identifiers()
        for address in state.authorizations {
            let answer = try await ask(account, address)
            let message: AuthorizationMessage = try ACMEClient.decode(answer.body)
            guard identifiers.contains(where: { $0.isProved(by: message) }) else {
                throw .refused(
                    code: "Request rejected",
                    "The authority wants control shown of '\(message.identifier.value.prefix(253))', which was not ordered."
                )
            }
            switch message.status {
            case "valid": continue
            case "pending": next.challenges.append(try choice(message, address, account))
            default:
                throw .refused(
                    code: "Request rejected",
                    "The authority's authorization for '\(message.identifier.value.prefix(253))' is \(message.status.prefix(32))."
                )
            }
        }
        if next.challenges.isEmpty { return try proceed(state.at(.finalise)) }
        if next.challenges.contains(where: { $0.kind == .dns }) { next.stage = .publish }
        let (acme, vault, now, written) = (acme, order.vault, call.now, next)
        return try proceed(next) { transaction throws(VaultError) in
            try acme.put(written, vault, at: now, in: transaction)
        }
    }

    private func choice(_ message: AuthorizationMessage, _ address: String, _ account: ACMEAccount)
        throws(ACMEFailure) -> ACMEOrder.Challenge
    {
        let isWildcard = message.wildcard ?? false
        let possible: [ACMEOrder.Challenge.Kind] =
            (acme.settings.answersHTTP && !isWildcard ? [.http] : [])
            + (acme.publisher != nil && message.identifier.type == "dns" ? [.dns] : [])
        for kind in possible {
            guard let offered = message.challenges.first(where: { $0.type == kind.rawValue }),
                let token = offered.token, ACME.isToken(token)
            else { continue }
            do throws(VaultError) {
                let response = try response(to: token, kind, account)
                return ACMEOrder.Challenge(
                    kind: kind, name: message.identifier.value, authorization: address, address: offered.url,
                    token: token, response: response)
            } catch { throw .fault(error) }
        }
        let offered = message.challenges.map(\.type).joined(separator: ", ").prefix(256)
        let able = possible.map(\.rawValue).joined(separator: ", ")
        throw .refused(
            code: "Request rejected",
            "No challenge for '\(isWildcard ? "*." : "")\(message.identifier.value.prefix(253))' can be answered: the authority offers "
                + "\(offered), and this server answers \(able.isEmpty ? "none for such a name" : able).")
    }

    /// RFC 8555 §8.1, §8.4.
    private func response(to token: String, _ kind: ACMEOrder.Challenge.Kind, _ account: ACMEAccount)
        throws(VaultError) -> String
    {
        do throws(CryptoError) {
            let jwk: [UInt8]
            do throws(VaultError) { jwk = try ACMESignature.jwk(account.key.material.publicKey) } catch {
                throw .failed("thumbprint")
            }
            let authorization = token + "." + Base64.encodeURL(try acme.engine.sha256(jwk))
            guard kind == .dns else { return authorization }
            return Base64.encodeURL(try acme.engine.sha256(Array(authorization.utf8)))
        } catch { throw VaultError(error) }
    }

    private func publish() async throws(ACMEFailure) -> IssuerOutcome {
        guard let publisher = acme.publisher else {
            throw .later("This server has nobody any more who publishes records of the domain name system.")
        }
        for challenge in state.challenges where challenge.kind == .dns {
            let record = ChallengeRecord(name: "_acme-challenge." + challenge.name, value: challenge.response)
            try await publisher(.present, record).get()
        }
        return try proceed(state.at(.answer), after: acme.settings.propagation)
    }

    /// RFC 8555 §7.5.1.
    private func answer(_ account: ACMEAccount) async throws(ACMEFailure) -> IssuerOutcome {
        for challenge in state.challenges {
            // What was asked for already, by a step whose end was lost, must not be asked for again.
            let answer = try await ask(account, challenge.authorization)
            let message: AuthorizationMessage = try ACMEClient.decode(answer.body)
            let status = message.challenges.first { $0.url == challenge.address }?.status
            guard message.status == "pending", status ?? "pending" == "pending" else { continue }
            _ = try await ask(account, challenge.address, Array("{}".utf8))
        }
        return try proceed(state.at(.check), after: .seconds(1))
    }

    private func check(_ account: ACMEAccount) async throws(ACMEFailure) -> IssuerOutcome {
        for challenge in state.challenges {
            let answer = try await ask(account, challenge.authorization)
            let message: AuthorizationMessage = try ACMEClient.decode(answer.body)
            switch message.status {
            case "valid": continue
            case "pending":
                var next = state
                next.failures = 0
                next.questions += 1
                let delay = answer.retryAfter.flatMap { RetryAfter.parse($0, at: call.now) } ?? next.patience
                return try proceed(next, after: max(.seconds(1), delay))
            default:
                let problem = message.challenges.compactMap(\.error).first
                throw .refused(
                    code: "Request rejected",
                    "The authority could not convince itself of '\(challenge.name)' by \(challenge.kind.rawValue): "
                        + (problem?.text ?? "the authorization is \(message.status.prefix(32))") + ".")
            }
        }
        return try proceed(state.at(.finalise))
    }

    // MARK: The certificate

    /// RFC 8555 §7.4.
    private func finalise(_ account: ACMEAccount) async throws(ACMEFailure) -> IssuerOutcome {
        let (message, delay) = try await readOrder(account)
        switch message.status {
        case "ready":
            var json = JSONWriter()
            let request = Base64.encodeURL(order.request)
            json.object { $0.member("csr", request) }
            _ = try await ask(account, try required(state.finalize), json.bytes)
            return try proceed(state.at(.fetch), after: .seconds(1))
        case "pending": return try wait(delay)
        default: return try proceed(state.at(.fetch))
        }
    }

    private func wait(_ delay: Duration?) throws(ACMEFailure) -> IssuerOutcome {
        guard call.now - Timestamp(epochSeconds: state.begun) < ACMEOrder.mostTime else {
            throw .refused(code: "Request timed out", "The authority was not ready within a week.")
        }
        var next = state
        next.failures = 0
        next.questions += 1
        return try proceed(next, after: max(.seconds(1), delay ?? next.patience))
    }

    /// RFC 8555 §7.4.2.
    private func fetch(_ account: ACMEAccount) async throws(ACMEFailure) -> IssuerOutcome {
        let (message, delay) = try await readOrder(account)
        switch message.status {
        case "valid": break
        case "ready": return try proceed(state.at(.finalise))
        default: return try wait(delay)
        }
        let answer = try await ask(account, try required(message.certificate))
        let chain = try certificates(answer.body)
        guard chain[0].publicKey == order.publicKey else {
            throw .refused(
                code: "Request rejected", "The authority's certificate is over another key than that of the request.")
        }
        return .issued(
            chain[0], chain: Array(chain.dropFirst()), alongside: acme.removal(of: state, order.vault, at: call.now))
    }

    private func certificates(_ body: [UInt8]) throws(ACMEFailure) -> [Certificate] {
        let unreadable = ACMEFailure.refused(
            code: "Request rejected", "The authority's certificate cannot be read.")
        guard let text = String(validating: body, as: UTF8.self), let blocks = PEM.decode(text),
            (1...16).contains(blocks.count)
        else { throw unreadable }
        var chain: [Certificate] = []
        for block in blocks where block.label == "CERTIFICATE" {
            do throws(CryptoError) { chain.append(try Certificate(der: block.der, engine: acme.engine)) } catch {
                throw unreadable
            }
        }
        guard !chain.isEmpty else { throw unreadable }
        return chain
    }
}
