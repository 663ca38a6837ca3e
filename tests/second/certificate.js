// A unit's receipt certificate and the authority that issued it (docs/evidence.md).
import { X509Certificate } from "node:crypto";

/** The whole DER of a certificate ends in its signature, a bit string with no bits left over. */
function endsWhole(der) {
  let at = 0;
  const head = (wanted) => {
    if (der[at] !== wanted) return -1;
    let length = der[at + 1];
    at += 2;
    if (length & 0x80) {
      const bytes = length & 0x7f;
      length = der.readUIntBE(at, bytes);
      at += bytes;
    }
    return length;
  };
  if (head(0x30) !== der.length - at) return false;
  for (let part = 0; part < 2; part += 1) {
    const length = head(0x30); // what is certified, then the algorithm
    if (length < 0) return false;
    at += length;
  }
  return head(0x03) === der.length - at && der[at] === 0;
}

/** The authorities of PEM text. Throws on text that holds none. */
export function authorities(pem) {
  const found = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g);
  if (found === null) throw new Error("no certificate");
  return found.map((one) => new X509Certificate(one));
}

/** `{unit, jwk, since, until, issuedBy}` of one certificate in its canonical PEM; throws on anything else. */
export function receiptCertificate(pem) {
  const certificate = new X509Certificate(pem);
  const names = certificate.toLegacyObject().subject?.CN;
  const key = certificate.publicKey;
  const whole = certificate.toString() === pem && endsWhole(certificate.raw);
  if (!whole || typeof names !== "string" || key.asymmetricKeyType !== "ed25519") throw new Error("not a unit's");
  return {
    unit: names,
    jwk: key.export({ format: "jwk" }),
    since: BigInt(Date.parse(certificate.validFrom)),
    until: BigInt(Date.parse(certificate.validTo)),
    issuedBy: (authority) =>
      authority.ca && certificate.checkIssued(authority) && certificate.verify(authority.publicKey),
  };
}
