package archive

import (
	"bytes"
	"crypto"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"sysc/store"
)

// signedAt is when the test's keys are made and its files signed.
var signedAt = time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)

func at(t time.Time) *packet.Config {
	return &packet.Config{Time: func() time.Time { return t }, Algorithm: packet.PubKeyAlgoEdDSA, DefaultHash: crypto.SHA256}
}

// newKey makes a signing key that expires after a lifetime, 0 for never.
func newKey(t testing.TB, name string, lifetime time.Duration) *openpgp.Entity {
	t.Helper()
	config := at(signedAt.Add(-time.Hour))
	config.KeyLifetimeSecs = uint32(lifetime.Seconds())
	e, err := openpgp.NewEntity(name, "", name+"@example.org", config)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// public returns keys as a binary keyring.
func public(t testing.TB, keys ...*openpgp.Entity) []byte {
	t.Helper()
	var buf bytes.Buffer
	for _, k := range keys {
		if err := k.Serialize(&buf); err != nil {
			t.Fatal(err)
		}
	}
	return buf.Bytes()
}

func ring(t testing.TB, keys ...*openpgp.Entity) *Ring {
	t.Helper()
	r, err := ReadRing(public(t, keys...))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// sign clear-signs a text with some keys.
func sign(t testing.TB, text string, config *packet.Config, keys ...*openpgp.Entity) []byte {
	t.Helper()
	var private []*packet.PrivateKey
	for _, k := range keys {
		private = append(private, k.PrivateKey)
	}
	var buf bytes.Buffer
	w, err := clearsign.EncodeMulti(&buf, private, config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

const message = "Origin: test\nSuite: x\n- dashed: y\n"

func TestVerify(t *testing.T) {
	trusted, stranger := newKey(t, "trusted", 0), newKey(t, "stranger", 0)
	keys := ring(t, trusted)
	tests := []struct {
		name string
		data []byte
	}{
		{"one signature", sign(t, message, at(signedAt), trusted)},
		{"a stranger signed first", sign(t, message, at(signedAt), stranger, trusted)},
		{"text around it", slicesJoin("Suite: evil\n", string(sign(t, message, at(signedAt), trusted)), "\nSuite: evil\n")},
		{"carriage returns", bytes.ReplaceAll(sign(t, message, at(signedAt), trusted), []byte("\n"), []byte("\r\n"))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Verify("f", tt.data, keys, signedAt)
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.TrimSuffix(message, "\n"); strings.TrimSuffix(string(got), "\n") != want {
				t.Errorf("verified text is %q, want %q", got, want)
			}
		})
	}
}

func slicesJoin(parts ...string) []byte { return []byte(strings.Join(parts, "")) }

func TestVerifyErrors(t *testing.T) {
	trusted, stranger := newKey(t, "trusted", 0), newKey(t, "stranger", 0)
	brief := newKey(t, "brief", 24*time.Hour)
	good := sign(t, message, at(signedAt), trusted)
	tests := []struct {
		name   string
		data   []byte
		ring   *Ring
		now    time.Time
		reason Reason
		text   string
	}{
		{"plain text", []byte(message), ring(t, trusted), signedAt, NotSigned, "not signed"},
		{"empty", nil, ring(t, trusted), signedAt, NotSigned, "not signed"},
		{"other key", good, ring(t, stranger), signedAt, UnknownKey, "signed by " + trusted.PrimaryKey.KeyIdString() + ", which is none of the trusted keys "},
		{"one byte changed", bytes.Replace(good, []byte("Suite: x"), []byte("Suite: z"), 1), ring(t, trusted), signedAt, BadSignature, "changed after it was signed"},
		{"a line added", bytes.Replace(good, []byte("Suite: x"), []byte("Suite: x\nA: b"), 1), ring(t, trusted), signedAt, BadSignature, "changed after it was signed"},
		{"bad one beside an unknown one", bytes.Replace(sign(t, message, at(signedAt), stranger, trusted), []byte("Suite: x"), []byte("Suite: z"), 1), ring(t, trusted), signedAt, BadSignature, "bad signature"},
		{"key expired since", sign(t, message, at(signedAt), brief), ring(t, brief), signedAt.Add(48 * time.Hour), ExpiredKey, "expired"},
		{"cut off", good[:len(good)-40], ring(t, trusted), signedAt, NotSigned, "not signed"},
		{"too large", make([]byte, MaxInRelease+1), ring(t, trusted), signedAt, NotSigned, "at most"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text, err := Verify("mirror:dists/x/InRelease", tt.data, tt.ring, tt.now)
			var bad *SignatureError
			if !errors.As(err, &bad) || text != nil {
				t.Fatalf("got %q, error %v, want a *SignatureError", text, err)
			}
			if bad.Reason != tt.reason {
				t.Errorf("reason is %q, want %q: %v", bad.Reason, tt.reason, err)
			}
			for _, want := range []string{tt.text, "mirror:dists/x/InRelease"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q lacks %q", err, want)
				}
			}
		})
	}
}

// TestVerifyWeakHash has a good signature, but over a short hash.
func TestVerifyWeakHash(t *testing.T) {
	key := newKey(t, "trusted", 0)
	canonical := strings.ReplaceAll(strings.TrimSuffix(message, "\n"), "\n", "\r\n")
	sig := &packet.Signature{
		Version: 4, SigType: packet.SigTypeText, PubKeyAlgo: key.PrimaryKey.PubKeyAlgo, Hash: crypto.SHA224,
		CreationTime: signedAt, IssuerKeyId: &key.PrimaryKey.KeyId,
	}
	h := crypto.SHA224.New()
	h.Write([]byte(canonical))
	if err := sig.Sign(h, key.PrivateKey, at(signedAt)); err != nil {
		t.Fatal(err)
	}
	var data bytes.Buffer
	data.WriteString("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA224\n\n")
	data.WriteString(strings.ReplaceAll(message, "- dashed", "- - dashed"))
	w, err := armor.Encode(&data, "PGP SIGNATURE", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := sig.Serialize(w); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = Verify("f", data.Bytes(), ring(t, key), signedAt)
	var bad *SignatureError
	if !errors.As(err, &bad) || bad.Reason != WeakHash {
		t.Errorf("got %v, want a weak hash", err)
	}
}

func TestReadRingArmored(t *testing.T) {
	a, b := newKey(t, "a", 0), newKey(t, "b", 0)
	var text bytes.Buffer
	for _, k := range []*openpgp.Entity{a, b} {
		text.WriteString("A comment.\n\n")
		w, err := armor.Encode(&text, openpgp.PublicKeyType, nil)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(public(t, k))
		w.Close()
		text.WriteString("\n")
	}
	got, err := ReadRing(text.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if want := ring(t, a, b).Fingerprints(); strings.Join(got.Fingerprints(), " ") != strings.Join(want, " ") || len(want) != 2 {
		t.Errorf("keys are %v, want %v", got.Fingerprints(), want)
	}
}

func TestReadRingErrors(t *testing.T) {
	for name, data := range map[string][]byte{
		"empty": nil, "text": []byte("hello"), "half armor": []byte(armorBegin + "\n\nAAAA"), "too large": make([]byte, MaxKeyring+1),
	} {
		if r, err := ReadRing(data); err == nil {
			t.Errorf("%s: got a ring of %v", name, r.KeyIDs())
		}
	}
}

const sum1, sum2 = "1111111111111111111111111111111111111111111111111111111111111111", "2222222222222222222222222222222222222222222222222222222222222222"

const releaseText = `Origin: Debian
Suite: stable
Codename: trixie
Date: Sat, 12 Sep 2026 07:55:41 UTC
Valid-Until: Sat, 19 Sep 2026 07:55:41 UTC
Acquire-By-Hash: yes
No-Support-for-Architecture-all: Packages
Architectures: all amd64 arm64
Components: main updates/contrib
MD5Sum:
 0ed6d4c8891eb86358b94bb35d9e4da4 12 main/weak
SHA256:
 ` + sum1 + ` 100 main/binary-amd64/Packages
 ` + sum2 + `  50 main/binary-amd64/Packages.xz
`

func TestParseRelease(t *testing.T) {
	r, err := ParseRelease([]byte(releaseText))
	if err != nil {
		t.Fatal(err)
	}
	if !r.Is("trixie") || !r.Is("stable") || r.Is("bookworm") || r.Is("") {
		t.Error("Is is wrong")
	}
	if !r.HasComponent("main") || !r.HasComponent("contrib") || r.HasComponent("non-free") {
		t.Error("HasComponent is wrong")
	}
	if !r.AcquireByHash || r.SeparateAll || r.NotAutomatic {
		t.Errorf("flags are wrong: %+v", r)
	}
	if _, ok := r.File("main/weak"); ok {
		t.Error("a file with an MD5 only is taken")
	}
	f, ok := r.Index("main", "amd64")
	want := File{Path: "main/binary-amd64/Packages.xz", Size: 50, SHA256: digest(t, sum2)}
	if !ok || f != want {
		t.Errorf("Index = %+v, %v, want %+v", f, ok, want)
	}
	if got := f.ByHash(); got != "main/binary-amd64/by-hash/SHA256/"+sum2 {
		t.Errorf("ByHash = %q", got)
	}
	if _, ok := r.Index("main", "arm64"); ok {
		t.Error("an index that is not listed")
	}
}

func digest(t *testing.T, s string) store.Digest {
	d, err := store.ParseDigest(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestCheckDate(t *testing.T) {
	r, err := ParseRelease([]byte(releaseText))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		now  time.Time
		want string
	}{
		{r.Date, ""},
		{r.ValidUntil, ""},
		{r.ValidUntil.Add(time.Second), "expired at 2026-09-19T07:55:41Z"},
		{r.Date.Add(-23 * time.Hour), ""},
		{r.Date.Add(-25 * time.Hour), "in the future"},
	} {
		err := r.CheckDate("f", tt.now)
		var expired *ExpiredError
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("at %v: %v", tt.now, err)
		case tt.want != "" && (!errors.As(err, &expired) || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("at %v: error %v, want one with %q", tt.now, err, tt.want)
		}
	}
}

func TestParseReleaseErrors(t *testing.T) {
	change := func(old, new string) string { return strings.Replace(releaseText, old, new, 1) }
	tests := []struct{ name, text, want string }{
		{"empty", "", "EOF"},
		{"no date", change("Date:", "X-Date:"), "no Date"},
		{"odd date", change("Sat, 12 Sep 2026 07:55:41 UTC", "yesterday"), "is no date"},
		{"date elsewhere", change("07:55:41 UTC", "07:55:41 +0200"), "not in UTC"},
		{"twice", change("Origin: Debian", "Suite: evil"), "twice"},
		{"no SHA-256", change("SHA256:", "SHA1:"), "weaker hashes are not accepted"},
		{"short hash", change(sum1, "1234"), "SHA256"},
		{"negative size", change(" 100 ", " -100 "), "is no size"},
		{"upwards", change("main/binary-amd64/Packages\n", "main/../../x\n"), "leads elsewhere"},
		{"absolute", change("main/binary-amd64/Packages\n", "/etc/passwd\n"), "leads elsewhere"},
		{"two hashes", change("Packages.xz", "Packages"), "with two hashes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := ParseRelease([]byte(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func FuzzParseRelease(f *testing.F) {
	f.Add([]byte(releaseText))
	f.Fuzz(func(t *testing.T, text []byte) {
		if r, err := ParseRelease(text); err == nil && r.Date.IsZero() {
			t.Error("no date")
		}
	})
}

func FuzzVerify(f *testing.F) {
	key := newKey(f, "trusted", 0)
	good := sign(f, message, at(signedAt), key)
	f.Add(good)
	keys := ring(f, key)
	f.Fuzz(func(t *testing.T, data []byte) {
		text, err := Verify("f", data, keys, signedAt)
		if err == nil && strings.TrimRight(string(text), "\n") != strings.TrimRight(message, "\n") {
			t.Errorf("a text that nobody signed: %q", text)
		}
	})
}
