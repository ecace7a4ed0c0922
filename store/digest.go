package store

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// A Digest is the SHA-256 of some content: a blob's bytes or a tree's
// encoding. The zero Digest names nothing.
//
// Its text form is "sha256:" and 64 lower-case hexadecimal digits. It is not
// a derivation's hash: that is another type ([DerivationHash]).
type Digest [sha256.Size]byte

const digestPrefix = "sha256:"

// DigestOf returns the digest of data.
func DigestOf(data []byte) Digest { return sha256.Sum256(data) }

// ParseDigest reads a digest in its text form. The prefix may be left out.
func ParseDigest(s string) (Digest, error) {
	raw, err := parseHash(strings.TrimPrefix(s, digestPrefix))
	if err != nil {
		return Digest{}, fmt.Errorf("parse digest %q: %v", s, err)
	}
	return raw, nil
}

// String returns the text form.
func (d Digest) String() string { return digestPrefix + d.Hex() }

// Hex returns the 64 hexadecimal digits alone.
func (d Digest) Hex() string { return hex.EncodeToString(d[:]) }

// IsZero reports whether d names nothing.
func (d Digest) IsZero() bool { return d == Digest{} }

// MarshalText returns the text form.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads the text form.
func (d *Digest) UnmarshalText(text []byte) error {
	parsed, err := ParseDigest(string(text))
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}

// A DerivationHash identifies a resolved derivation: one whose inputs are all
// store objects. It is the key of a [Realisation].
type DerivationHash [sha256.Size]byte

// ParseDerivationHash reads 64 lower-case hexadecimal digits.
func ParseDerivationHash(s string) (DerivationHash, error) {
	raw, err := parseHash(s)
	if err != nil {
		return DerivationHash{}, fmt.Errorf("parse derivation hash %q: %v", s, err)
	}
	return raw, nil
}

// String returns 64 lower-case hexadecimal digits.
func (h DerivationHash) String() string { return hex.EncodeToString(h[:]) }

func parseHash(s string) ([sha256.Size]byte, error) {
	var out [sha256.Size]byte
	if len(s) != hex.EncodedLen(len(out)) {
		return out, fmt.Errorf("%d characters, want %d hexadecimal digits", len(s), hex.EncodedLen(len(out)))
	}
	if strings.ToLower(s) != s {
		return out, fmt.Errorf("upper-case digits")
	}
	if _, err := hex.Decode(out[:], []byte(s)); err != nil {
		return out, err
	}
	return out, nil
}
