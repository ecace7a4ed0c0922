package archive

import (
	"bytes"
	"fmt"
	"io"
	"slices"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
)

// MaxKeyring is the most bytes that a keyring may have.
const MaxKeyring = 4 << 20

// A Ring is the set of keys that one repository is trusted by. Any of them is
// as good as another, so a ring belongs to one repository. Safe for concurrent
// use.
type Ring struct {
	entities openpgp.EntityList
}

// ReadRing reads public keys: binary OpenPGP packets, or one or more armored
// blocks with any text around them.
func ReadRing(data []byte) (*Ring, error) {
	if len(data) > MaxKeyring {
		return nil, fmt.Errorf("read keyring: %d bytes, at most %d", len(data), MaxKeyring)
	}
	blocks := [][]byte{data}
	if bytes.Contains(data, []byte(armorBegin)) {
		var err error
		if blocks, err = dearmor(data); err != nil {
			return nil, fmt.Errorf("read keyring: %v", err)
		}
	}
	ring := &Ring{}
	for _, block := range blocks {
		entities, err := openpgp.ReadKeyRing(bytes.NewReader(block))
		if err != nil {
			return nil, fmt.Errorf("read keyring: %v", err)
		}
		ring.entities = append(ring.entities, entities...)
	}
	if len(ring.entities) == 0 {
		return nil, fmt.Errorf("read keyring: no key in it")
	}
	return ring, nil
}

const armorBegin = "-----BEGIN PGP PUBLIC KEY BLOCK-----"

// dearmor returns the contents of all key blocks.
func dearmor(data []byte) ([][]byte, error) {
	var blocks [][]byte
	for {
		at := bytes.Index(data, []byte(armorBegin))
		if at < 0 {
			return blocks, nil
		}
		block, err := armor.Decode(bytes.NewReader(data[at:]))
		if err != nil {
			return nil, err
		}
		packets, err := io.ReadAll(io.LimitReader(block.Body, MaxKeyring))
		if err != nil {
			return nil, err
		}
		blocks = append(blocks, packets)
		data = data[at+len(armorBegin):]
	}
}

// KeyIDs returns the 16-digit ids of all keys and sub-keys, sorted.
func (r *Ring) KeyIDs() []string {
	var ids []string
	for _, e := range r.entities {
		ids = append(ids, e.PrimaryKey.KeyIdString())
		for _, sub := range e.Subkeys {
			ids = append(ids, sub.PublicKey.KeyIdString())
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// Fingerprints returns those of the primary keys in upper-case hexadecimal,
// sorted.
func (r *Ring) Fingerprints() []string {
	var out []string
	for _, e := range r.entities {
		out = append(out, fmt.Sprintf("%X", e.PrimaryKey.Fingerprint))
	}
	slices.Sort(out)
	return slices.Compact(out)
}
