package sign

import (
	"cmp"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A Signature is the word of one key for one statement. It may be wrong: only
// [TrustedKeys.Verify] tells.
type Signature struct {
	// Key is the name of the key that is said to have made it.
	Key   string
	Bytes [ed25519.SignatureSize]byte
}

// String returns the signature as one line of text: "name:" and base 64.
func (s Signature) String() string { return s.Key + ":" + encoding.EncodeToString(s.Bytes[:]) }

// ParseSignature reads what [Signature.String] returns and refuses everything
// else.
func ParseSignature(text string) (Signature, error) {
	name, rest, ok := strings.Cut(text, ":")
	if !ok {
		return Signature{}, errors.New("parse signature: want a key's name, a colon, and base 64")
	}
	if err := checkName(name); err != nil {
		return Signature{}, fmt.Errorf("parse signature: %w", err)
	}
	raw, err := decodeBase64(rest)
	if err != nil {
		return Signature{}, fmt.Errorf("parse signature: %w", err)
	}
	if len(raw) != ed25519.SignatureSize {
		return Signature{}, fmt.Errorf("parse signature: %d bytes, want %d", len(raw), ed25519.SignatureSize)
	}
	return Signature{name, [ed25519.SignatureSize]byte(raw)}, nil
}

// Check reports why a signature cannot be one of any key.
func (s Signature) Check() error { return checkName(s.Key) }

// Compare orders signatures by the key's name, then by their bytes.
func Compare(a, b Signature) int {
	return cmp.Or(cmp.Compare(a.Key, b.Key), slices.Compare(a.Bytes[:], b.Bytes[:]))
}

// Merge returns the signatures of all lists, in order, each once.
func Merge(lists ...[]Signature) []Signature {
	all := slices.Concat(lists...)
	slices.SortFunc(all, Compare)
	return slices.Compact(all)
}

// TrustedKeys are public keys whose word counts. The zero value trusts nobody.
// It is safe for concurrent use.
type TrustedKeys struct {
	keys map[string]PublicKey
}

// Trust returns the set of some keys. Two keys of one name are an error, because
// a message about it could not tell them apart; the same key twice is not.
func Trust(keys ...PublicKey) (TrustedKeys, error) {
	t := TrustedKeys{keys: make(map[string]PublicKey, len(keys))}
	for _, k := range keys {
		if have, ok := t.keys[k.name]; ok && have != k {
			return TrustedKeys{}, fmt.Errorf("trust keys: two of them are called %q", k.name)
		}
		t.keys[k.name] = k
	}
	return t, nil
}

// Has reports whether a key of that name is trusted.
func (t TrustedKeys) Has(name string) bool {
	_, ok := t.keys[name]
	return ok
}

// Len returns the number of keys.
func (t TrustedKeys) Len() int { return len(t.keys) }

// Verify returns the names of the trusted keys that vouch for a statement,
// sorted, each once. Signatures by others, and wrong ones, count for nothing.
func (t TrustedKeys) Verify(s Statement, sigs []Signature) []string {
	var names []string
	for _, sig := range sigs {
		if k, ok := t.keys[sig.Key]; ok && k.Verify(s, sig) {
			names = append(names, sig.Key)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Divide returns the signatures by which trusted keys vouch for a statement, one of
// each key, and those of keys that are not trusted, which may be right or wrong. Wrong
// ones in the name of a trusted key are in neither list.
func (t TrustedKeys) Divide(s Statement, sigs []Signature) (trusted, others []Signature) {
	last := "" // key that has vouched
	for _, sig := range Merge(sigs) {
		switch k, ok := t.keys[sig.Key]; {
		case !ok:
			others = append(others, sig)
		case sig.Key != last && k.Verify(s, sig):
			trusted = append(trusted, sig)
			last = sig.Key
		}
	}
	return trusted, others
}
