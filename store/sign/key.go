package sign

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// MaxKeyFile bounds what is read as a key file, in bytes. No key needs half of it.
const MaxKeyFile = 1 << 10

// A SecretKey signs statements. The zero value has no key and must not be used.
type SecretKey struct {
	name string
	// Behind a function: package fmt prints fields of other packages' structs
	// without asking their methods, and what they point to as well.
	key func() ed25519.PrivateKey
}

func newSecretKey(name string, key ed25519.PrivateKey) SecretKey {
	return SecretKey{name, func() ed25519.PrivateKey { return key }}
}

// A PublicKey tells the signatures of one secret key.
type PublicKey struct {
	name string
	key  [ed25519.PublicKeySize]byte
}

// Generate makes a new key pair. name tells people whose it is; a new key of the
// same owner gets a new name, as in "ci-1" and "ci-2".
func Generate(name string) (SecretKey, error) {
	if err := checkName(name); err != nil {
		return SecretKey{}, fmt.Errorf("generate key: %w", err)
	}
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return SecretKey{}, fmt.Errorf("generate key: %w", err)
	}
	return newSecretKey(name, key), nil
}

// ParseSecretKey reads a secret key file: "name:", 64 bytes in base 64 (the
// key's seed and the public key), and a newline, which may be missing. Errors
// show nothing of data.
func ParseSecretKey(data []byte) (SecretKey, error) {
	name, raw, err := parseKey(data)
	if err != nil {
		return SecretKey{}, fmt.Errorf("parse secret key: %w", err)
	}
	if len(raw) == ed25519.PublicKeySize {
		return SecretKey{}, errors.New("parse secret key: it is a public key")
	}
	if len(raw) != ed25519.PrivateKeySize {
		return SecretKey{}, fmt.Errorf("parse secret key: %d bytes, want %d", len(raw), ed25519.PrivateKeySize)
	}
	key := ed25519.NewKeyFromSeed(raw[:ed25519.SeedSize])
	if !key.Equal(ed25519.PrivateKey(raw)) {
		return SecretKey{}, errors.New("parse secret key: its two halves do not belong together")
	}
	return newSecretKey(name, key), nil
}

// ParsePublicKey reads a public key file: "name:", 32 bytes in base 64, and a
// newline, which may be missing. A secret key is refused, and errors show
// nothing of data.
func ParsePublicKey(data []byte) (PublicKey, error) {
	name, raw, err := parseKey(data)
	if err != nil {
		return PublicKey{}, fmt.Errorf("parse public key: %w", err)
	}
	if len(raw) == ed25519.PrivateKeySize {
		return PublicKey{}, errors.New("parse public key: it is a secret key, which nobody else should see")
	}
	if len(raw) != ed25519.PublicKeySize {
		return PublicKey{}, fmt.Errorf("parse public key: %d bytes, want %d", len(raw), ed25519.PublicKeySize)
	}
	return PublicKey{name, [ed25519.PublicKeySize]byte(raw)}, nil
}

// ReadSecretKey reads a secret key file.
func ReadSecretKey(path string) (SecretKey, error) {
	data, err := readKeyFile(path)
	if err != nil {
		return SecretKey{}, fmt.Errorf("read secret key: %w", err)
	}
	key, err := ParseSecretKey(data)
	if err != nil {
		return SecretKey{}, fmt.Errorf("read %s: %w", path, err)
	}
	return key, nil
}

// ReadPublicKey reads a public key file.
func ReadPublicKey(path string) (PublicKey, error) {
	data, err := readKeyFile(path)
	if err != nil {
		return PublicKey{}, fmt.Errorf("read public key: %w", err)
	}
	key, err := ParsePublicKey(data)
	if err != nil {
		return PublicKey{}, fmt.Errorf("read %s: %w", path, err)
	}
	return key, nil
}

// readKeyFile follows links, as secrets are often put in place by one.
func readKeyFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	return io.ReadAll(io.LimitReader(f, MaxKeyFile+1))
}

// Name returns the key's name.
func (k SecretKey) Name() string { return k.name }

// Public returns the key that tells this one's signatures.
func (k SecretKey) Public() PublicKey {
	return PublicKey{k.name, [ed25519.PublicKeySize]byte(k.key()[ed25519.SeedSize:])}
}

// Encode returns the content of the secret key's file. It should be readable by
// its owner alone.
func (k SecretKey) Encode() []byte { return encodeKey(k.name, k.key()) }

// Format prints the name and not the secret, whatever the verb.
func (k SecretKey) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "secret key %q", k.name) }

// Sign vouches for a statement. The same key and statement give the same bytes.
func (k SecretKey) Sign(s Statement) Signature {
	return Signature{Key: k.name, Bytes: [ed25519.SignatureSize]byte(ed25519.Sign(k.key(), s))}
}

// Name returns the key's name.
func (k PublicKey) Name() string { return k.name }

// Encode returns the content of the public key's file.
func (k PublicKey) Encode() []byte { return encodeKey(k.name, k.key[:]) }

// String returns the key as one line of text, "name:" and base 64.
func (k PublicKey) String() string { return strings.TrimSuffix(string(k.Encode()), "\n") }

// Verify reports whether sig is this key's signature of a statement.
func (k PublicKey) Verify(s Statement, sig Signature) bool {
	return sig.Key == k.name && ed25519.Verify(k.key[:], s, sig.Bytes[:])
}

// encoding is strict: no newlines, and unused bits are zero, so each key has one
// text.
var encoding = base64.StdEncoding.Strict()

func encodeKey(name string, raw []byte) []byte {
	return []byte(name + ":" + encoding.EncodeToString(raw) + "\n")
}

// parseKey splits one line into a name and the bytes of a key.
func parseKey(data []byte) (name string, raw []byte, err error) {
	if len(data) > MaxKeyFile {
		return "", nil, fmt.Errorf("more than %d bytes", MaxKeyFile)
	}
	name, text, ok := strings.Cut(strings.TrimSuffix(string(data), "\n"), ":")
	if !ok {
		return "", nil, errors.New("want a line with a name, a colon, and a key in base 64")
	}
	if err := checkName(name); err != nil {
		return "", nil, err
	}
	raw, err = decodeBase64(text)
	return name, raw, err
}

// decodeBase64 refuses what the decoder skips. Its error would show where the
// text goes wrong; ours does not.
func decodeBase64(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, errors.New("more than one line")
	}
	raw, err := encoding.DecodeString(text)
	if err != nil {
		return nil, errors.New("what follows the colon is not base 64")
	}
	return raw, nil
}
