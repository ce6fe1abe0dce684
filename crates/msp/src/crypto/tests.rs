//! The P-384 oracle and the low-S rules. Signatures with certificates are tested with the vectors of spec/03 §13.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature::{self, EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair};

use super::*;

fn generated(curve: Curve, algorithm: &'static EcdsaSigningAlgorithm) -> (Signer, PublicKey, EcdsaKeyPair) {
    let pair = EcdsaKeyPair::generate(algorithm).unwrap();
    let pkcs8 = pair.to_pkcs8v1().unwrap();
    let public = PublicKey::ecdsa(curve, pair.public_key().as_ref()).unwrap();
    (Signer::from_der(pkcs8.as_ref(), &public, HashFamily::Sha2).unwrap(), public, pair)
}

fn curves() -> [(Curve, &'static EcdsaSigningAlgorithm); 3] {
    [
        (Curve::P256, &signature::ECDSA_P256_SHA256_ASN1_SIGNING),
        (Curve::P384, &signature::ECDSA_P384_SHA384_ASN1_SIGNING),
        (Curve::P521, &signature::ECDSA_P521_SHA256_ASN1_SIGNING),
    ]
}

#[test]
fn every_signature_made_is_low_s_and_verifies() {
    for (curve, algorithm) in curves() {
        let (signer, public, _) = generated(curve, algorithm);
        // half of the library's own signatures are high: forty in a row show the normalisation
        for count in 0..40_u8 {
            let message = [count; 100];
            let signed = signer.sign(&message).unwrap();
            assert!(EcdsaSignature::read(&signed).unwrap().is_low_s(curve));
            public.verify(HashFamily::Sha2, &message, &signed).unwrap();
            let mut other = message;
            other[7] ^= 1;
            assert_eq!(public.verify(HashFamily::Sha2, &other, &signed), Err(SignatureError::Mismatch));
        }
    }
}

#[test]
fn the_high_twin_of_a_good_signature_is_refused() {
    for (curve, algorithm) in curves() {
        let (_, public, pair) = generated(curve, algorithm);
        let mut seen = [false; 2];
        // the chance that sixty-four are all alike is 2^-63
        for count in 0..64_u8 {
            let digest = fit(sha256([&[count][..]]).as_slice(), sign_width(curve)).unwrap();
            let signed = pair.sign_digest(&digest).unwrap();
            let read = EcdsaSignature::read(signed.as_ref()).unwrap();
            let verdict = public.verify(HashFamily::Sha2, &[count], signed.as_ref());
            if read.is_low_s(curve) {
                seen[0] = true;
                assert_eq!(verdict, Ok(()));
            } else {
                seen[1] = true;
                assert_eq!(verdict, Err(SignatureError::HighS));
                let low = read.low_s(curve).unwrap();
                assert_eq!(public.verify(HashFamily::Sha2, &[count], &low), Ok(()));
            }
        }
        assert_eq!(seen, [true; 2], "{curve:?}");
    }
}

fn sign_width(curve: Curve) -> &'static digest::Algorithm {
    match curve {
        Curve::P256 | Curve::P521 => &digest::SHA256,
        Curve::P384 => &digest::SHA384,
    }
}

/// DESIGN §8: SHA-256 with P-384 is not offered by the library for signing; digests are widened with zeros. The `p384`
/// crate, which takes any prehash, is the judge of both directions.
#[test]
fn p384_with_sha256_agrees_with_an_independent_implementation() {
    use p384::ecdsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
    use p384::ecdsa::{Signature, SigningKey, VerifyingKey};

    let (signer, public, pair) = generated(Curve::P384, &signature::ECDSA_P384_SHA384_ASN1_SIGNING);
    let theirs = VerifyingKey::from_sec1_bytes(public.bytes()).unwrap();
    let scalar = pair.private_key();
    let scalar: aws_lc_rs::encoding::EcPrivateKeyBin<'_> =
        aws_lc_rs::encoding::AsBigEndian::as_be_bytes(&scalar).unwrap();
    let their_signer = SigningKey::from_slice(scalar.as_ref()).unwrap();
    for count in 0..20_u8 {
        let message = vec![count; usize::from(count) * 13];
        let hash = sha256([&message[..]]);
        // ours, judged by theirs
        let ours = signer.sign(&message).unwrap();
        let ours = Signature::from_der(&ours).unwrap();
        theirs.verify_prehash(&hash, &ours).unwrap();
        assert!(theirs.verify_prehash(&sha256([&b"other"[..]]), &ours).is_err());
        // theirs, judged by ours
        let signed: Signature = their_signer.sign_prehash(&hash).unwrap();
        let signed = signed.normalize_s().to_der();
        public.verify(HashFamily::Sha2, &message, signed.as_bytes()).unwrap();
    }
}

#[test]
fn p256_agrees_with_an_independent_implementation() {
    use p256::ecdsa::signature::hazmat::PrehashVerifier;

    let (signer, public, _) = generated(Curve::P256, &signature::ECDSA_P256_SHA256_ASN1_SIGNING);
    let theirs = p256::ecdsa::VerifyingKey::from_sec1_bytes(public.bytes()).unwrap();
    for count in 0..20_u8 {
        let message = [count; 33];
        let signed = p256::ecdsa::Signature::from_der(&signer.sign(&message).unwrap()).unwrap();
        theirs.verify_prehash(&sha256([&message[..]]), &signed).unwrap();
    }
}

#[test]
fn sha3_is_another_digest_and_an_unknown_family_verifies_nothing() {
    for (curve, algorithm) in curves() {
        let pair = EcdsaKeyPair::generate(algorithm).unwrap();
        let public = PublicKey::ecdsa(curve, pair.public_key().as_ref()).unwrap();
        let pkcs8 = pair.to_pkcs8v1().unwrap();
        let signer = Signer::from_der(pkcs8.as_ref(), &public, HashFamily::Sha3).unwrap();
        let signed = signer.sign(b"message").unwrap();
        assert_eq!(public.verify(HashFamily::Sha3, b"message", &signed), Ok(()));
        assert_eq!(public.verify(HashFamily::Sha2, b"message", &signed), Err(SignatureError::Mismatch));
        let unknown = public.verify(HashFamily::Unknown, b"message", &signed);
        assert_eq!(unknown, Err(SignatureError::HashFamilyUnknown));
    }
}

/// Certificates and CRLs may combine any curve with any hash: digests are cut or widened.
#[test]
fn issuers_sign_with_every_hash_on_every_curve() {
    let rng = aws_lc_rs::rand::SystemRandom::new();
    let cases: [(Curve, Hash, &'static EcdsaSigningAlgorithm); 4] = [
        (Curve::P256, Hash::Sha256, &signature::ECDSA_P256_SHA256_ASN1_SIGNING),
        (Curve::P384, Hash::Sha384, &signature::ECDSA_P384_SHA384_ASN1_SIGNING),
        (Curve::P521, Hash::Sha256, &signature::ECDSA_P521_SHA256_ASN1_SIGNING),
        (Curve::P521, Hash::Sha512, &signature::ECDSA_P521_SHA512_ASN1_SIGNING),
    ];
    for (curve, hash, algorithm) in cases {
        let pair = EcdsaKeyPair::generate(algorithm).unwrap();
        let public = PublicKey::ecdsa(curve, pair.public_key().as_ref()).unwrap();
        let signed = pair.sign(&rng, b"tbs").unwrap();
        let verify = |hash, tbs: &[u8]| {
            public.verify_issued(SignatureAlgorithm::Ecdsa(hash), tbs, signed.as_ref(), false)
        };
        assert_eq!(verify(hash, b"tbs"), Ok(()));
        assert_eq!(verify(hash, b"other"), Err(IssuerSignatureError::Mismatch));
        assert_eq!(verify(Hash::Sha1, b"tbs"), Err(IssuerSignatureError::Insecure));
    }
}

/// SHA-512 with P-256 and SHA-384 with P-256: the leftmost bits count. Judged by `p256`, which implements the rule.
#[test]
fn a_digest_longer_than_the_order_is_cut() {
    use p256::ecdsa::signature::hazmat::PrehashSigner;
    use p256::ecdsa::{Signature, SigningKey};

    let theirs = SigningKey::from_slice(&[0x42; 32]).unwrap();
    let point = theirs.verifying_key().to_sec1_point(false);
    let public = PublicKey::ecdsa(Curve::P256, point.as_bytes()).unwrap();
    for (hash, algorithm) in [(Hash::Sha384, &digest::SHA384), (Hash::Sha512, &digest::SHA512)] {
        let prehash = digest::digest(algorithm, b"tbs");
        let signed: Signature = theirs.sign_prehash(prehash.as_ref()).unwrap();
        let verdict =
            public.verify_issued(SignatureAlgorithm::Ecdsa(hash), b"tbs", signed.to_der().as_bytes(), false);
        assert_eq!(verdict, Ok(()), "{hash:?}");
    }
}

#[test]
fn a_key_signs_only_for_its_own_public_key() {
    let (_, public, _) = generated(Curve::P256, &signature::ECDSA_P256_SHA256_ASN1_SIGNING);
    let (_, _, other) = generated(Curve::P256, &signature::ECDSA_P256_SHA256_ASN1_SIGNING);
    let pkcs8 = other.to_pkcs8v1().unwrap();
    assert!(Signer::from_der(pkcs8.as_ref(), &public, HashFamily::Sha2).is_none());
    let (_, p384, _) = generated(Curve::P384, &signature::ECDSA_P384_SHA384_ASN1_SIGNING);
    assert!(Signer::from_der(pkcs8.as_ref(), &p384, HashFamily::Sha2).is_none());
}

#[test]
fn a_signer_reads_sec1_and_never_shows_its_key() {
    let pair = EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let public = PublicKey::ecdsa(Curve::P256, pair.public_key().as_ref()).unwrap();
    let sec1: aws_lc_rs::encoding::EcPrivateKeyRfc5915Der<'_> = pair.private_key().as_der().unwrap();
    let signer = Signer::from_der(sec1.as_ref(), &public, HashFamily::Sha2).unwrap();
    public.verify(HashFamily::Sha2, b"m", &signer.sign(b"m").unwrap()).unwrap();
    assert_eq!(format!("{signer:?}"), "Signer(P-256)");
}

#[test]
fn compressed_points_are_refused() {
    let pair = EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let point = pair.public_key().as_ref();
    let mut compressed = vec![2 | (point[64] & 1)];
    compressed.extend_from_slice(&point[1..33]);
    assert!(PublicKey::ecdsa(Curve::P256, &compressed).is_none());
    assert!(PublicKey::ecdsa(Curve::P384, point).is_none());
}
