package archive

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// MaxInRelease is the most bytes that a signed Release file may have. Those of
// Debian's stable releases have 150 KB, that of sid 250 KB.
const MaxInRelease = 32 << 20

// maxSignatures bounds how many signatures of one file are looked at.
const maxSignatures = 64

// strongHashes are the digests that a signature may be made over.
var strongHashes = []crypto.Hash{
	crypto.SHA256, crypto.SHA384, crypto.SHA512, crypto.SHA3_256, crypto.SHA3_512,
}

// Verify checks a clear-signed text (RFC 9580, section 7) and returns the text
// that was signed, with LF line ends; nothing else of data has any meaning. One
// good signature by a key of the ring, over a strong hash and neither expired
// nor revoked at the time now, is enough, as for apt. name stands in errors.
//
// The error is a [*SignatureError].
func Verify(name string, data []byte, ring *Ring, now time.Time) ([]byte, error) {
	fail := &SignatureError{File: name, Trusted: ring.KeyIDs()}
	if len(data) > MaxInRelease {
		fail.Reason, fail.Cause = NotSigned, fmt.Errorf("%d bytes, at most %d", len(data), MaxInRelease)
		return nil, fail
	}
	block, _ := clearsign.Decode(data)
	if block == nil {
		fail.Reason, fail.Cause = NotSigned, errors.New("no clear-signed message in it")
		return nil, fail
	}
	if err := fail.check(ring, block.Bytes, block.ArmoredSignature.Body, now); err != nil {
		return nil, err
	}
	return bytes.ReplaceAll(block.Bytes, []byte("\r\n"), []byte("\n")), nil
}

// VerifyDetached checks a text by a signature beside it, armored or not, as [Verify]
// does, and with the same errors.
func VerifyDetached(name string, data, signature []byte, ring *Ring, now time.Time) error {
	fail := &SignatureError{File: name, Trusted: ring.KeyIDs()}
	if len(data) > MaxInRelease || len(signature) > MaxInRelease {
		fail.Reason, fail.Cause = NotSigned, fmt.Errorf("%d and %d bytes, at most %d", len(data), len(signature), MaxInRelease)
		return fail
	}
	packets := io.Reader(bytes.NewReader(signature))
	if bytes.HasPrefix(bytes.TrimSpace(signature), []byte("-----BEGIN ")) {
		block, err := armor.Decode(packets)
		if err != nil {
			fail.Reason, fail.Cause = NotSigned, err
			return fail
		}
		packets = block.Body
	}
	return fail.check(ring, data, packets, now)
}

// check looks for a good signature over a text among packets. It returns e unless
// there is one.
func (e *SignatureError) check(ring *Ring, signed []byte, packets io.Reader, now time.Time) error {
	signatures, err := readSignatures(packets)
	if err != nil {
		e.Reason, e.Cause = BadSignature, err
		return e
	}
	config := &packet.Config{Time: func() time.Time { return now }}
	for _, sig := range signatures {
		id := fmt.Sprintf("%016X", *sig.IssuerKeyId)
		err := checkSignature(ring, signed, sig, config)
		if err == nil {
			return nil
		}
		e.add(id, err)
	}
	return e
}

// readSignatures returns the signature packets that name a key.
func readSignatures(r io.Reader) ([]*packet.Signature, error) {
	var signatures []*packet.Signature
	packets := packet.NewReader(r)
	for {
		p, err := packets.Next()
		if errors.Is(err, io.EOF) {
			if len(signatures) == 0 {
				return nil, errors.New("no signature that names its key")
			}
			return signatures, nil
		}
		if err != nil {
			return nil, err
		}
		sig, ok := p.(*packet.Signature)
		if !ok || sig.IssuerKeyId == nil {
			continue
		}
		if len(signatures) == maxSignatures {
			return nil, fmt.Errorf("more than %d signatures", maxSignatures)
		}
		signatures = append(signatures, sig)
	}
}

func checkSignature(ring *Ring, signed []byte, sig *packet.Signature, config *packet.Config) error {
	if len(ring.entities.KeysByIdUsage(*sig.IssuerKeyId, packet.KeyFlagSign)) == 0 {
		return pgperrors.ErrUnknownIssuer
	}
	if !slices.Contains(strongHashes, sig.Hash) {
		return errWeakHash
	}
	var one bytes.Buffer
	if err := sig.Serialize(&one); err != nil {
		return err
	}
	_, err := openpgp.CheckDetachedSignature(ring.entities, bytes.NewReader(signed), &one, config)
	return err
}

var errWeakHash = errors.New("signature over a weak hash")
