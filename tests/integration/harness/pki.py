# SPDX-License-Identifier: BSD-2-Clause
"""Certificates for tests: an authority that signs what it is asked to."""
import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


def new_key(kind):
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


def common_name(text, groups=()):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text),
                      *(x509.NameAttribute(NameOID.ORGANIZATION_NAME, g)
                        for g in groups)])


def general_name(text):
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


class Authority:
    """A root; its files and those of what it signs lie in one directory."""

    def __init__(self, directory, name="akkod test root"):
        self.dir = Path(directory)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.key = new_key("ec")
        self.name = common_name(name)
        self.cert = self._build(self.name, self.key.public_key(), 3650).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        ).sign(self.key, hashes.SHA256())
        self.file = self.dir / (name.replace(" ", "-") + ".crt")
        self.file.write_bytes(pem(self.cert))

    def _build(self, subject, public, days, start=-1):
        now = datetime.datetime.utcnow()
        return (x509.CertificateBuilder().subject_name(subject)
                .issuer_name(self.name).public_key(public)
                .serial_number(x509.random_serial_number())
                .not_valid_before(now + datetime.timedelta(days=start))
                .not_valid_after(now + datetime.timedelta(days=days)))

    def leaf(self, *names, kind="ec", days=90, start=-1, file=None, client=False,
             groups=()):
        """A certificate for the names: the paths of its two files.

        groups are organizations of its subject: what Kubernetes takes for them.
        """
        key = new_key(kind)
        usage = ExtendedKeyUsageOID.CLIENT_AUTH if client \
            else ExtendedKeyUsageOID.SERVER_AUTH
        cert = (self._build(common_name(names[0].replace("*", "any"), groups),
                            key.public_key(), days, start)
                .add_extension(x509.SubjectAlternativeName(
                    [general_name(n) for n in names]), critical=False)
                .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
                .sign(self.key, hashes.SHA256()))
        base = self.dir / (file or f"{names[0].replace('*', 'any')}-{kind}")
        crt, pkey = Path(f"{base}.crt"), Path(f"{base}.key")
        crt.write_bytes(pem(cert))
        pkey.write_bytes(key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption()))
        for path in (crt, pkey):
            path.chmod(0o644)
        return crt, pkey


def pem(cert):
    return cert.public_bytes(serialization.Encoding.PEM)
