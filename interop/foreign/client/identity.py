"""Identities: certificates, keys, signatures, and what Fabric derives from them (spec: PKI-ID, TLS hash, low S)."""

import hashlib
import pathlib

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from fabric_protos.gossip import message_pb2 as gossip
from fabric_protos.msp import identities_pb2

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ECDSA = ec.ECDSA(hashes.SHA256())


def pki_id_of(serialized):
    """The PKI-ID of a serialized identity: SHA-256 over MSP id and certificate as they stand there."""
    identity = identities_pb2.SerializedIdentity.FromString(serialized)
    return hashlib.sha256(identity.mspid.encode() + identity.id_bytes).digest()


def certificate_hash(pem):
    """SHA-256 over the DER of the first certificate in `pem`."""
    certificate = x509.load_pem_x509_certificate(pem)
    return hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).digest()


def certificate_of(serialized):
    """The certificate in a serialized identity."""
    identity = identities_pb2.SerializedIdentity.FromString(serialized)
    return x509.load_pem_x509_certificate(identity.id_bytes)


def verify(serialized, signature, message):
    """Whether a signature is valid under an identity, and has the low S that Fabric demands."""
    try:
        certificate_of(serialized).public_key().verify(signature, message, ECDSA)
    except InvalidSignature:
        return False
    return utils.decode_dss_signature(signature)[1] <= P256_ORDER // 2


def verify_envelope(serialized, envelope):
    """Whether the signature of an envelope is valid, and that of its secret if there is one."""
    secret = envelope.secret_envelope
    return verify(serialized, envelope.signature, envelope.payload) and (
        not envelope.HasField("secret_envelope") or verify(serialized, secret.signature, secret.payload)
    )


class Identity:
    """Somebody with an MSP certificate and a TLS certificate, read from a folder as `cryptogen` lays it out."""

    def __init__(self, msp_id, folder):
        folder = pathlib.Path(folder)
        self.msp_id, self.folder = msp_id, folder
        self.name = folder.name
        pem = only(folder / "msp/signcerts", "*.pem").read_bytes()
        self.serialized = identities_pb2.SerializedIdentity(mspid=msp_id, id_bytes=pem).SerializeToString()
        self.pki_id = pki_id_of(self.serialized)
        key = only(folder / "msp/keystore", "*_sk").read_bytes()
        self.key = serialization.load_pem_private_key(key, None)
        self.tls_certificate = only(folder / "tls", "*.crt", but="ca.crt").read_bytes()
        self.tls_key = only(folder / "tls", "*.key").read_bytes()
        self.tls_root = (folder / "tls/ca.crt").read_bytes()
        self.tls_hash = certificate_hash(self.tls_certificate)

    def sign(self, message, high_s=False):
        """A DER signature over SHA-256 of `message`, with a low S, as Fabric wants it, or a high one."""
        r, s = utils.decode_dss_signature(self.key.sign(message, ECDSA))
        if (s > P256_ORDER // 2) != high_s:
            s = P256_ORDER - s
        return utils.encode_dss_signature(r, s)

    def seal(self, message, secret=None):
        """An envelope with a signed message, and with a signed secret endpoint if one is given."""
        payload = message if isinstance(message, bytes) else message.SerializeToString()
        envelope = gossip.Envelope(payload=payload, signature=self.sign(payload))
        if secret is not None:
            hidden = gossip.Secret(internalEndpoint=secret).SerializeToString()
            envelope.secret_envelope.payload = hidden
            envelope.secret_envelope.signature = self.sign(hidden)
        return envelope


def only(folder, pattern, but=None):
    """The one file of a folder that fits."""
    files = [file for file in folder.glob(pattern) if file.name != but]
    if len(files) != 1:
        raise FileNotFoundError(f"{folder}: {len(files)} files {pattern}, expected one")
    return files[0]
