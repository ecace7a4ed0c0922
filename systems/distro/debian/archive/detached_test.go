package archive

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
)

// detached signs a text, with the signature as binary packets or armored.
func detached(t testing.TB, text string, armored bool, key *openpgp.Entity) []byte {
	t.Helper()
	var out bytes.Buffer
	sign := openpgp.DetachSign
	if armored {
		sign = openpgp.ArmoredDetachSign
	}
	if err := sign(&out, key, strings.NewReader(text), at(signedAt)); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestVerifyDetached(t *testing.T) {
	key, other := newKey(t, "archive", 0), newKey(t, "other", 0)
	short := newKey(t, "short", time.Hour*24)
	const text = "Suite: stable\n\n- a line\n"
	for _, armored := range []bool{false, true} {
		signature := detached(t, text, armored, key)
		if err := VerifyDetached("f", []byte(text), signature, ring(t, key), signedAt); err != nil {
			t.Errorf("armored %v: %v", armored, err)
		}
		tests := []struct {
			name      string
			text      string
			signature []byte
			ring      *Ring
			now       time.Time
			want      Reason
		}{
			{"another text", text + " ", signature, ring(t, key), signedAt, BadSignature},
			{"another key", text, signature, ring(t, other), signedAt, UnknownKey},
			{"nothing", text, nil, ring(t, key), signedAt, BadSignature},
			{"no signature", text, []byte("-----BEGIN PGP SIGNATURE-----\n"), ring(t, key), signedAt, NotSigned},
			{"expired key", text, detached(t, text, armored, short), ring(t, short), signedAt.AddDate(0, 1, 0), ExpiredKey},
		}
		for _, tt := range tests {
			err := VerifyDetached("f", []byte(tt.text), tt.signature, tt.ring, tt.now)
			var wrong *SignatureError
			if !errors.As(err, &wrong) || wrong.Reason != tt.want {
				t.Errorf("%s, armored %v: error is %v, want %s", tt.name, armored, err, tt.want)
			}
		}
	}
}

func FuzzVerifyDetached(f *testing.F) {
	key := newKey(f, "archive", 0)
	keys := ring(f, key)
	const text = "Suite: stable\n"
	f.Add([]byte(text), detached(f, text, true, key))
	f.Add([]byte(text), detached(f, text, false, key))
	f.Fuzz(func(t *testing.T, data, signature []byte) {
		if err := VerifyDetached("f", data, signature, keys, signedAt); err == nil && string(data) != text {
			t.Errorf("%q is signed", data)
		}
	})
}
