internal import COpenSSL
import Cryptography
import Domain

/// Reads keys by their numbers and checks them before anything trusts them.
struct KeyImport {
    private let engine: CryptoEngine
    private let hashes: HashTable

    init(_ engine: CryptoEngine, _ hashes: HashTable) { (self.engine, self.hashes) = (engine, hashes) }

    /// - Throws: `.malformed` saying what is wrong.
    func parse(_ key: PrivateKey) throws(CryptoError) -> AsymmetricKey {
        switch key {
        case .rsa(let n, let e, let d, let p, let q, let dp, let dq, let qi):
            return try rsa(
                [
                    try Number(n), try Number(e), try Number(d), try Number(p), try Number(q), try Number(dp),
                    try Number(dq), try Number(qi),
                ])
        case .ec(let curve, let x, let y, let d):
            return try ec(curve, x, y, try Number(d), length: d.count)
        case .ed25519(let x, let d):
            let pointer = d.withUnsafeBytes { seed in
                EVP_PKEY_new_raw_private_key_ex(
                    engine.context, "ED25519", nil, seed.bindMemory(to: UInt8.self).baseAddress, seed.count)
            }
            guard d.count == 32, let pointer else { throw malformed("'d' is not a seed of 32 bytes") }
            let key = AsymmetricKey(adopting: pointer, .ed25519, engine, hashes)
            guard case .ed25519(let actual) = try key.publicKey(), actual == x else {
                throw malformed("'x' does not belong to 'd'")
            }
            return key
        case .pkcs8(let bytes): return try pkcs8(bytes)
        case .oct: throw malformed("it is a symmetric key")
        }
    }

    func parse(_ key: PublicKey) throws(CryptoError) -> AsymmetricKey {
        switch key {
        case .rsa(let n, let e):
            let numbers = [try Number(n), try Number(e)]
            var pointers = numbers.map { Optional($0.pointer) }
            guard let pointer = strongroom_rsa_from_numbers(engine.context, &pointers, 2) else {
                throw malformed("RSA public key")
            }
            return AsymmetricKey(adopting: pointer, .rsa(bits: numbers[0].bits), engine, hashes)
        case .ec(let curve, let x, let y):
            guard
                let pointer = strongroom_ec_from_numbers(
                    engine.context, curve.groupName, [4] + x + y, 1 + x.count + y.count, nil)
            else { throw malformed("the point is not on the curve") }
            return AsymmetricKey(adopting: pointer, .ec(curve), engine, hashes)
        case .ed25519(let x):
            guard x.count == 32,
                let pointer = EVP_PKEY_new_raw_public_key_ex(engine.context, "ED25519", nil, x, x.count)
            else { throw malformed("Ed25519 public key") }
            return AsymmetricKey(adopting: pointer, .ed25519, engine, hashes)
        case .none: throw malformed("a symmetric key has no public half")
        }
    }

    // MARK: RSA

    /// SP 800-56B §6.4: sizes, n = pq, primality, exponents, no small factors.
    private func rsa(_ numbers: [Number]) throws(CryptoError) -> AsymmetricKey {
        let (n, e, p, q) = (numbers[0], numbers[1], numbers[3], numbers[4])
        guard KeySpecification.rsaSizes.contains(n.bits) else {
            throw malformed("the modulus has \(n.bits) bits; 2048, 3072 or 4096 are taken")
        }
        guard e.bits >= 2, e.bits <= 64, BN_is_odd(e.pointer) == 1 else {
            throw malformed("the public exponent must be odd and from 3 to 2^64")
        }
        guard p.bits + q.bits >= n.bits, abs(p.bits - q.bits) <= 1 else {
            throw malformed("the factors are not of half the size of the modulus")
        }
        try requireProduct(p, q, n)
        guard BN_cmp(p.pointer, q.pointer) != 0 else { throw malformed("the two factors are equal") }
        var pointers = numbers.map { Optional($0.pointer) }
        guard let pointer = strongroom_rsa_from_numbers(engine.context, &pointers, 8) else {
            throw malformed("the numbers do not make an RSA key")
        }
        let key = AsymmetricKey(adopting: pointer, .rsa(bits: n.bits), engine, hashes)
        for (factor, name) in [(p, "p"), (q, "q")] { try requirePrime(factor, name) }
        try requireExponents(numbers)
        return try checked(key)
    }

    private func requireProduct(_ p: Number, _ q: Number, _ n: Number) throws(CryptoError) {
        guard let context = BN_CTX_secure_new(), let product = BN_new() else { throw .failed("number") }
        defer {
            BN_CTX_free(context)
            BN_clear_free(product)
        }
        guard BN_mul(product, p.pointer, q.pointer, context) == 1, BN_cmp(product, n.pointer) == 0 else {
            throw malformed("'n' is not the product of 'p' and 'q'")
        }
    }

    private func requirePrime(_ number: Number, _ name: String) throws(CryptoError) {
        guard let context = BN_CTX_secure_new() else { throw .failed("number") }
        defer { BN_CTX_free(context) }
        // Divides by small primes first.
        guard BN_check_prime(number.pointer, context, nil) == 1 else { throw malformed("'\(name)' is not a prime") }
    }

    /// d, dp, dq, qi against p, q, e.
    private func requireExponents(_ numbers: [Number]) throws(CryptoError) {
        guard let context = BN_CTX_secure_new() else { throw .failed("number") }
        defer { BN_CTX_free(context) }
        let (e, d, p, q, dp, dq, qi) = (
            numbers[1].pointer, numbers[2].pointer, numbers[3].pointer, numbers[4].pointer, numbers[5].pointer,
            numbers[6].pointer, numbers[7].pointer
        )
        func isOne(_ left: OpaquePointer, _ right: OpaquePointer, modulo modulus: OpaquePointer) -> Bool {
            guard let result = BN_new() else { return false }
            defer { BN_clear_free(result) }
            return BN_mod_mul(result, left, right, modulus, context) == 1 && BN_is_one(result) == 1
        }
        func lessOne(_ number: OpaquePointer) -> OpaquePointer? {
            guard let copy = BN_dup(number) else { return nil }
            BN_sub_word(copy, 1)
            return copy
        }
        guard let p1 = lessOne(p), let q1 = lessOne(q) else { throw .failed("number") }
        defer {
            BN_clear_free(p1)
            BN_clear_free(q1)
        }
        guard isOne(e, d, modulo: p1), isOne(e, d, modulo: q1) else { throw malformed("'d' does not belong to 'e'") }
        guard isOne(e, dp, modulo: p1), BN_cmp(dp, p1) < 0 else { throw malformed("'dp' is wrong") }
        guard isOne(e, dq, modulo: q1), BN_cmp(dq, q1) < 0 else { throw malformed("'dq' is wrong") }
        guard isOne(q, qi, modulo: p), BN_cmp(qi, p) < 0 else { throw malformed("'qi' is wrong") }
    }

    // MARK: EC

    private func ec(_ curve: EllipticCurve, _ x: [UInt8], _ y: [UInt8], _ d: Number, length: Int) throws(CryptoError)
        -> AsymmetricKey
    {
        let size = curve.byteCount
        guard x.count == size, y.count == size, length <= size else {
            throw malformed("a number has not \(size) bytes, as \(curve.text) asks for")
        }
        guard
            let pointer = strongroom_ec_from_numbers(
                engine.context, curve.groupName, [4] + x + y, 1 + 2 * size, d.pointer)
        else { throw malformed("the point is not on \(curve.text), or 'd' is out of range") }
        return try checked(AsymmetricKey(adopting: pointer, .ec(curve), engine, hashes))
    }

    /// libcrypto's own check: ranges, the point's order, and that the two halves belong together.
    private func checked(_ key: AsymmetricKey) throws(CryptoError) -> AsymmetricKey {
        guard let context = EVP_PKEY_CTX_new_from_pkey(engine.context, key.pointer, nil) else { throw .failed("key") }
        defer {
            EVP_PKEY_CTX_free(context)
            ERR_clear_error()
        }
        let isSound =
            switch key.specification {
            // RSA was checked number by number; libcrypto would test the primes once more, slowly.
            case .rsa: true
            default: EVP_PKEY_check(context) == 1
            }
        guard isSound else { throw malformed("the private and the public half do not belong together") }
        return key
    }

    // MARK: PKCS #8

    private func pkcs8(_ bytes: SensitiveBytes) throws(CryptoError) -> AsymmetricKey {
        let pointer: OpaquePointer? = bytes.withUnsafeBytes { bytes in
            var start = bytes.bindMemory(to: UInt8.self).baseAddress
            let first = start
            guard let info = d2i_PKCS8_PRIV_KEY_INFO(nil, &start, bytes.count) else { return nil }
            defer { PKCS8_PRIV_KEY_INFO_free(info) }
            // Nothing may follow.
            guard let first, let start, start - first == bytes.count else { return nil }
            return EVP_PKCS82PKEY_ex(info, engine.context, nil)
        }
        ERR_clear_error()
        guard let pointer else { throw malformed("it is not PKCS #8") }
        var owned: OpaquePointer? = pointer
        defer { EVP_PKEY_free(owned) }
        if EVP_PKEY_is_a(pointer, "RSA") == 1 { return try rsa(try numbers(pointer)) }
        let specification: KeySpecification
        if EVP_PKEY_is_a(pointer, "EC") == 1 {
            specification = .ec(try curve(pointer))
        } else if EVP_PKEY_is_a(pointer, "ED25519") == 1 {
            specification = .ed25519
        } else {
            throw malformed("it is a key of a type that is not taken")
        }
        owned = nil
        return try checked(AsymmetricKey(adopting: pointer, specification, engine, hashes))
    }

    private func numbers(_ key: OpaquePointer) throws(CryptoError) -> [Number] {
        var numbers: [Number] = []
        // The header makes most of these names out of two strings, which Swift does not import.
        for name in [
            "n", "e", "d", "rsa-factor1", "rsa-factor2", "rsa-exponent1", "rsa-exponent2", "rsa-coefficient1",
        ] {
            var number: OpaquePointer?
            guard EVP_PKEY_get_bn_param(key, name, &number) == 1, let number else {
                ERR_clear_error()
                throw malformed("the RSA key is not whole")
            }
            numbers.append(Number(adopting: number))
        }
        var third: OpaquePointer?
        if EVP_PKEY_get_bn_param(key, "rsa-factor3", &third) == 1 {
            BN_clear_free(third)
            throw malformed("keys of more than two primes are not taken")
        }
        ERR_clear_error()
        return numbers
    }

    private func curve(_ key: OpaquePointer) throws(CryptoError) -> EllipticCurve {
        // A curve is known by its name only (RFC 5480 §2.1.1).
        var isExplicit: Int32 = 0
        if EVP_PKEY_get_int_param(key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &isExplicit) == 1,
            isExplicit == 1
        {
            throw malformed("the curve is given by explicit parameters instead of its name")
        }
        var name = [CChar](repeating: 0, count: 64)
        var count = 0
        guard EVP_PKEY_get_group_name(key, &name, name.count, &count) == 1 else { throw malformed("unknown curve") }
        switch String(decoding: name[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self) {
        case "prime256v1", "P-256": return .p256
        case "secp384r1", "P-384": return .p384
        case "secp521r1", "P-521": return .p521
        case "secp256k1": return .p256K
        default: throw malformed("the curve is not one of P-256, P-384, P-521, P-256K")
        }
    }

    private func malformed(_ reason: String) -> CryptoError {
        ERR_clear_error()
        return .malformed(reason)
    }
}
