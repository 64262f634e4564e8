import Cryptography
import Domain
import Keys

/// The signed form of requests: flattened JWS (RFC 7515 §7.2.2, RFC 8555 §6.2).
enum ACMESignature {
    /// What identifies the account to the authority.
    enum Sender {
        /// Before there is an account: the key itself.
        case key(PublicKey)
        /// The account's address.
        case account(String)
    }

    /// The members in the order of RFC 7638 §3, so that the same text serves for the thumbprint.
    static func jwk(_ key: PublicKey) throws(VaultError) -> [UInt8] {
        guard case .ec(.p256, let x, let y) = key else { throw .internal("an account's key is not on P-256") }
        var json = JSONWriter(reserving: 256)
        json.object { jwk in
            jwk.member("crv", "P-256")
            jwk.member("kty", "EC")
            jwk.member("x", Base64.encodeURL(x))
            jwk.member("y", Base64.encodeURL(y))
        }
        return json.bytes
    }

    /// The text that is signed for a request.
    static func header(_ sender: Sender, nonce: String, address: String) throws(VaultError) -> String {
        let jwk: [UInt8]? =
            if case .key(let key) = sender { try Self.jwk(key) } else { nil }
        var json = JSONWriter(reserving: 512)
        json.object { header in
            header.member("alg", "ES256")
            if let jwk { header.embed("jwk", jwk) }
            if case .account(let account) = sender { header.member("kid", account) }
            header.member("nonce", nonce)
            header.member("url", address)
        }
        return Base64.encodeURL(json.bytes)
    }

    static func message(_ header: String, _ payload: String, _ signature: [UInt8]) -> [UInt8] {
        var json = JSONWriter(reserving: header.utf8.count + payload.utf8.count + 200)
        json.object { message in
            message.member("protected", header)
            message.member("payload", payload)
            message.member("signature", Base64.encodeURL(signature))
        }
        return json.bytes
    }

    /// Binds an account to one that the authority knows from elsewhere (RFC 8555 §7.3.4).
    static func binding(
        of key: PublicKey, to identifier: String, _ secret: SensitiveBytes, address: String, engine: CryptoEngine
    ) throws(VaultError) -> [UInt8] {
        var json = JSONWriter(reserving: 256)
        json.object { header in
            header.member("alg", "HS256")
            header.member("kid", identifier)
            header.member("url", address)
        }
        let (header, payload) = (Base64.encodeURL(json.bytes), Base64.encodeURL(try jwk(key)))
        do throws(CryptoError) {
            return message(
                header, payload, try engine.hmacSHA256(key: secret, Array("\(header).\(payload)".utf8)))
        } catch { throw VaultError(error) }
    }
}
